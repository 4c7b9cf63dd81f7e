from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import httpx
import pytest
from PIL import Image, ImageDraw

from local.simulators import PROVIDERS, ManualClock, Simulators
from tests.simulators.caller import KEYS, Caller
from tests.simulators.films import jpeg


@dataclass
class ImageHost:
    """A web server with images; what is not in `files` is answered with 403, as S3 does."""

    origin: str = ""
    files: dict[str, tuple[str, bytes]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def put(self, path: str, content: bytes, content_type: str = "image/jpeg") -> str:
        self.files[path] = (content_type, content)
        return f"{self.origin}{path}"


@pytest.fixture(scope="session")
def photo() -> bytes:
    """A picture with colours, edges and a clear up and down."""
    image = Image.merge(
        "RGB",
        (
            Image.linear_gradient("L").resize((1200, 900)),
            Image.radial_gradient("L").resize((1200, 900)),
            Image.linear_gradient("L").rotate(90).resize((1200, 900)),
        ),
    )
    draw = ImageDraw.Draw(image)
    draw.rectangle((200, 150, 500, 400), fill=(240, 200, 20))
    draw.ellipse((700, 350, 1000, 650), fill=(20, 60, 220))
    return jpeg(image)


@pytest.fixture(scope="session")
def clip_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Clips are rendered once for the whole session."""
    return tmp_path_factory.mktemp("clips")


@pytest.fixture(scope="session")
def image_host(photo: bytes) -> Iterator[ImageHost]:
    host = ImageHost()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            host.asked.append(path)
            content_type, content = host.files.get(path, ("application/xml", b""))
            self.send_response(200 if path in host.files else 403)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None: ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        host.origin = f"http://127.0.0.1:{server.server_address[1]}"
        host.put("/photo.jpg", photo)
        thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
        thread.start()
        yield host
        server.shutdown()
        thread.join()


@pytest.fixture
def image_url(image_host: ImageHost) -> str:
    return f"{image_host.origin}/photo.jpg?X-Amz-Signature=secret"


@pytest.fixture(scope="session")
def clock() -> ManualClock:
    return ManualClock()


@pytest.fixture(scope="session")
def http() -> Iterator[httpx.Client]:
    with httpx.Client(timeout=10, trust_env=False) as client:
        yield client


def by_hand(clock: ManualClock, clip_cache: Path, **settings: object) -> Simulators:
    """Jobs of ten seconds on a clock that the test moves; clips only for those who look."""
    usual = {"keys": KEYS, "render_seconds": 10.0, "renders": "on-download"}
    given = {"clock": clock, "cache_dir": clip_cache, **usual, **settings}
    return Simulators(**given)  # type: ignore[arg-type]


Start = Callable[..., Simulators]


@pytest.fixture
def start(clock: ManualClock, clip_cache: Path) -> Iterator[Start]:
    """Start simulators with other settings than usual; they end with the test."""
    started: list[Simulators] = []

    def begin(**settings: object) -> Simulators:
        started.append(by_hand(clock, clip_cache, **settings))
        return started[-1]

    yield begin
    for simulators in started:
        simulators.close()


@pytest.fixture(scope="session")
def shared(clock: ManualClock, clip_cache: Path) -> Iterator[Simulators]:
    with by_hand(clock, clip_cache) as simulators:
        yield simulators


@pytest.fixture
def simulators(shared: Simulators) -> Simulators:
    """The simulators with usual settings, as new."""
    shared.reset()
    return shared


@pytest.fixture(params=PROVIDERS)
def provider(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def caller(provider: str, simulators: Simulators, http: httpx.Client, image_url: str) -> Caller:
    """Each provider in turn."""
    return Caller(provider, simulators, http, image_url)


@pytest.fixture
def eachlabs(simulators: Simulators, http: httpx.Client, image_url: str) -> Caller:
    return Caller("eachlabs", simulators, http, image_url)


@pytest.fixture
def oxen(simulators: Simulators, http: httpx.Client, image_url: str) -> Caller:
    return Caller("oxen", simulators, http, image_url)


@pytest.fixture
def fal(simulators: Simulators, http: httpx.Client, image_url: str) -> Caller:
    return Caller("fal", simulators, http, image_url)


@pytest.fixture
def luma(simulators: Simulators, http: httpx.Client, image_url: str) -> Caller:
    return Caller("luma", simulators, http, image_url)
