"""Twenty processes apply different requests at once: one wins, and the tiers file is readable at every instant."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from invarlock.policy.tiers_file import live_tiers_path, load_tiers, tiers_digest
from invarlock.promotion.request_store import RequestStore
from invarlock.promotion.requests import State
from invarlock.promotion.verify_history import verify_history
from tests.promotion.config_root import approved, epsilon, requested, small_root

APPLIERS = 20

# One fork for each request, and one that reads until all of them have ended. They start when the pipe is closed.
CROWD = """
import json, os, sys, time
from datetime import datetime
from pathlib import Path
from invarlock.digests import sha256_hex
from invarlock.errors import PromotionError
from invarlock.policy.tiers_file import live_tiers_path, read_tiers
from invarlock.promotion.apply import apply_request
from invarlock.promotion.checked import last_checked
from invarlock.promotion.promotion_config import PromotionConfig
from invarlock.promotion.request_store import RequestStore

root, ids = Path(sys.argv[1]), sys.argv[2:]
now = datetime.fromisoformat("2026-01-05T14:00:00+00:00")
blocked, start = os.pipe()

def say(**told):
    os.write(1, (json.dumps(told) + "\\n").encode())

def forked(work, *arguments):
    child = os.fork()
    if child == 0:
        os.close(start)
        os.read(blocked, 1)
        work(*arguments)
        os._exit(0)
    return child

def read():
    seen = {}
    while not (root / "over").exists():
        data = live_tiers_path(root).read_bytes()
        sha256 = sha256_hex(data)
        if sha256 not in seen:
            read_tiers(data.decode(), Path("live"))
        seen[sha256] = seen.get(sha256, 0) + 1
    say(seen=seen)

def apply(request_id):
    checked = last_checked(RequestStore(root), request_id)
    try:
        entry = apply_request(request_id, checked, PromotionConfig(), by="cleo", now=now, root=root)
        say(id=request_id, sha256=entry.event.to_sha256)
    except PromotionError as error:
        say(id=request_id, refused=error.what)

reader = forked(read)
appliers = [forked(apply, request_id) for request_id in ids]
os.close(start)
ends = [os.waitpid(child, 0)[1] for child in appliers]
(root / "over").touch()
ends.append(os.waitpid(reader, 0)[1])
assert not any(ends), ends
"""


def test_one_wins_the_others_are_stale_and_a_reader_never_sees_half_a_file(tmp_path: Path) -> None:
    root = small_root(tmp_path)
    old = tiers_digest(live_tiers_path(root))
    requests = [requested(root, epsilon(0.02 + number / 1000)) for number in range(APPLIERS)]
    for request in requests:
        approved(root, request)
    crowd = subprocess.run(
        [sys.executable, "-c", CROWD, str(root), *(request.id for request in requests)],
        check=True,
        timeout=300,
        capture_output=True,
        text=True,
    )
    told = [json.loads(line) for line in crowd.stdout.splitlines()]
    [winner] = [line for line in told if "sha256" in line]
    refused = [line for line in told if "refused" in line]
    assert {line["id"] for line in refused} == {request.id for request in requests} - {winner["id"]}
    assert all("is stale: it was made for the policy" in line["refused"] for line in refused)
    [seen] = [line["seen"] for line in told if "seen" in line]
    assert set(seen) <= {old, winner["sha256"]}
    assert sum(seen.values()) > 100

    states = [RequestStore(root).state(request.id) for request in requests]
    assert sorted(states) == [State.APPLIED] + [State.STALE] * (APPLIERS - 1)
    assert tiers_digest(live_tiers_path(root)) == winner["sha256"]
    load_tiers(live_tiers_path(root))
    assert verify_history(root) is None
    assert len((root / "runtime/history.jsonl").read_text().splitlines()) == 1
