"""The local server: `python -m LNGenLib.service.server`, as `LNGenLib.service.client.local` does.

A line of JSON on stdin says what it needs, its token among it; a line on stdout says the port. It
ends when stdin does, that is when its parent closes it or is gone, however it went.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from pathlib import Path

from LNGenLib.service.protocol.tokens import Tokens
from LNGenLib.service.server.serve import listen, locked, uvicorn_server
from LNGenLib.service.server.service import Settings

PATIENCE = 1.5  # seconds to end in order


def main() -> None:
    """Serve on a free port of loopback."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's is for the parent
    logging.basicConfig(level=logging.WARNING)
    given = json.loads(sys.stdin.readline())
    data = Path(given["data"])
    settings = Settings(data, Tokens((given["token"],)), kinds=given["kinds"])
    with locked(data):
        server = uvicorn_server(settings)
        sock = listen("127.0.0.1", 0)
        print(json.dumps({"port": sock.getsockname()[1]}), flush=True)

        def watch() -> None:
            sys.stdin.read()
            server.should_exit = True
            threading.Event().wait(PATIENCE)
            os._exit(0)

        threading.Thread(target=watch, daemon=True).start()
        server.run([sock])


if __name__ == "__main__":
    main()
