"""The proxy's process: `python -P entrypoint.py mitmdump ARGS`, with an order for it in the environment.

mitmproxy's own start does the rest. What is here makes it quick, checks the CA before anything listens,
and gives the launcher's order to the addon of `launcher_link`.
"""

from __future__ import annotations

import gc
import os
import signal
import sys
from pathlib import Path


def main() -> None:
    """Become mitmdump or mitmweb."""
    # Nearly all that is made while a program is imported stays; looking for garbage in it takes a tenth.
    gc.disable()
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    # The launcher's mitmvcr, not another that this Python may have.
    sys.path.insert(0, str(Path(__file__).resolve().parents[3]))
    from mitmvcr.errors import MitmvcrError  # noqa: PLC0415 - not before the path is set
    from mitmvcr.launch.contract import VARIABLE, Order  # noqa: PLC0415
    from mitmvcr.proxy.patches import gate, lazy_imports  # noqa: PLC0415

    if not gate.refusal():
        lazy_imports.put_off()
    from mitmvcr.proxy import certificate_authority  # noqa: PLC0415 - which import mitmproxy
    from mitmvcr.proxy.child import launcher_link  # noqa: PLC0415 - which import mitmproxy
    from mitmvcr.proxy.exit_status import end_at_once  # noqa: PLC0415

    del sys.path[0]
    order = Order.from_json(os.environ.pop(VARIABLE))
    program, *arguments = sys.argv[1:]
    sys.argv = [program, *arguments]
    try:
        ca = certificate_authority.prepare(Path(order.confdir))
    except MitmvcrError as error:
        print(f"mitmvcr: {error}", file=sys.stderr, flush=True)
        sys.exit(1)
    launcher_link.pending.append(launcher_link.LauncherLink(order, ca))
    from mitmproxy.tools import main as mitmproxy  # noqa: PLC0415 - behind the checks

    script = Path(__file__).with_name("script.py")
    getattr(mitmproxy, program)(["-s", str(script), *arguments])
    end_at_once()


if __name__ == "__main__":
    main()
