"""Runs the lightning-toll package from PyPI: verifies the macaroon of each input line and mints a macaroon for the same request.

Input and output have one JSON object per line.
In:  {"raw", "preimage", "secret", "payment_hash", "expires_at", "endpoint", "method", "ip"}
Out: {"valid", "preimage", "raw"}
"""

import json
import sys

from lightning_toll.macaroon import create_macaroon, decode_macaroon, verify_macaroon, verify_preimage

for line in sys.stdin:
    case = json.loads(line)
    scope = {key: case[key] for key in ("endpoint", "method", "ip") if case[key]}
    macaroon = decode_macaroon(case["raw"])
    verdict = verify_macaroon(case["secret"], macaroon, scope)
    minted = create_macaroon(case["secret"], payment_hash=case["payment_hash"], expires_at=case["expires_at"], **scope)
    answer = {
        "valid": verdict.valid,
        "preimage": verify_preimage(case["preimage"], macaroon.id),
        "raw": minted.raw,
    }
    print(json.dumps(answer), flush=True)
