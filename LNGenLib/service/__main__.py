"""The local server, a child of the process that uses it: `LNGenLib.service.client.local` starts it.

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
from LNGenLib.service.server.dependencies import Settings
from LNGenLib.service.server.listening import listen, locked, server

PATIENCE = 1.5  # seconds to end in order


def main() -> None:
    """Serve on a free port of loopback."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the terminal's is for the parent
    logging.basicConfig(level=logging.WARNING)
    told = json.loads(sys.stdin.readline())
    data = Path(told["data"])
    settings = Settings(data, Tokens((told["token"],)), kinds=told["kinds"])
    with locked(data):
        served = server(settings)
        sock = listen("127.0.0.1", 0)
        print(json.dumps({"port": sock.getsockname()[1]}), flush=True)

        def watch() -> None:
            sys.stdin.read()
            served.should_exit = True
            threading.Event().wait(PATIENCE)
            os._exit(0)

        threading.Thread(target=watch, daemon=True).start()
        served.run([sock])


if __name__ == "__main__":
    main()
