"""API keys of the providers: one secret, a JSON object `{"fal": "...", "luma": "..."}`."""

from __future__ import annotations

from typing import Any

from aws_lambda_powertools.utilities.parameters import (
    GetParameterError,
    SecretsProvider,
    TransformParameterError,
)

from dropreel.errors import KeyUnreadableError, SettingsError

_CACHE_S = 300

# Error codes that stay until somebody changes the secret or a policy. Anything else may pass:
# throttling, no connection, an internal error of Secrets Manager or KMS.
_LASTING = frozenset(
    {
        *("ResourceNotFoundException", "AccessDeniedException", "AccessDenied"),
        *("InvalidRequestException", "InvalidParameterException", "ValidationException"),
    }
)


class ProviderKeys:
    """Reads the secret when a key is first needed, and again after five minutes.

    A key that is missing is looked for in the secret itself each time, so that it counts as soon
    as somebody enters it. While it cannot be read, the keys that were read last go on being used.
    """

    def __init__(self, secrets: SecretsProvider, secret: str) -> None:
        self._secrets = secrets
        self._secret = secret
        self._last: dict[str, Any] | None = None

    def key(self, provider: str, *, fresh: bool = False) -> str:
        """The key of `provider`; `fresh` goes past what was read before (after a 401).

        Raises SettingsError when there is no key for it, KeyUnreadableError when the secret
        cannot be read just now.
        """
        key = self._keys(fresh).get(provider)
        if not fresh and not _is_key(key):
            key = self._keys(fresh=True).get(provider)
        if not _is_key(key):
            raise SettingsError(f"the secret of the provider keys holds no key for {provider}")
        return str(key).strip()

    def _keys(self, fresh: bool) -> dict[str, Any]:
        try:
            self._last = self._read(fresh)
        except KeyUnreadableError:
            if fresh or self._last is None:
                raise
        return self._last

    def _read(self, fresh: bool) -> dict[str, Any]:
        try:
            keys = self._secrets.get(
                self._secret, max_age=_CACHE_S, transform="json", force_fetch=fresh
            )
        except GetParameterError as error:
            raise _unread(error) from None
        except (TransformParameterError, UnicodeDecodeError):
            raise SettingsError("the secret of the provider keys is not JSON") from None
        if not isinstance(keys, dict):
            raise SettingsError("the secret of the provider keys is not a JSON object")
        return keys


def _is_key(value: object) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _unread(error: GetParameterError) -> SettingsError | KeyUnreadableError:
    """What the error that Powertools has wrapped says about the secret."""
    response = getattr(error.__context__, "response", None) or {}
    if response.get("Error", {}).get("Code") in _LASTING:
        return SettingsError("the secret of the provider keys cannot be read")
    return KeyUnreadableError("the secret of the provider keys cannot be read just now")
