"""API keys of the providers: one secret, a JSON object `{"fal": "...", "luma": "..."}`."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.parameters import (
    GetParameterError,
    SecretsProvider,
    TransformParameterError,
)

from dropreel.errors import SettingsError

_CACHE_S = 300


class ProviderKeys:
    """Reads the secret when a key is first needed, and again after five minutes."""

    def __init__(self, secrets: SecretsProvider, secret: str) -> None:
        self._secrets = secrets
        self._secret = secret

    def key(self, provider: str, *, fresh: bool = False) -> str:
        """The key of `provider`; `fresh` goes past the cache (after a 401).

        Raises SettingsError when the secret cannot be read or holds no key for it.
        """
        key = self._read(fresh).get(provider)
        if not isinstance(key, str) or not key.strip():
            raise SettingsError(f"the secret of the provider keys holds no key for {provider}")
        return key.strip()

    def _read(self, fresh: bool) -> dict[str, Any]:
        try:
            keys = self._secrets.get(
                self._secret, max_age=_CACHE_S, transform="json", force_fetch=fresh
            )
        except GetParameterError:
            raise SettingsError("the secret of the provider keys cannot be read") from None
        except (TransformParameterError, UnicodeDecodeError):
            raise SettingsError("the secret of the provider keys is not JSON") from None
        if not isinstance(keys, dict):
            raise SettingsError("the secret of the provider keys is not a JSON object")
        return keys
