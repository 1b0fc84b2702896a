"""A paywall with the lightning-toll package from PyPI: a FastAPI app that forwards paid requests to the origin with httpx.

Prints a paid credential for GET /api/joke. Arguments: the port. Environment: TOLL_SECRET, ORIGIN_URL.
"""

import hashlib
import os
import sys
import time

import httpx
import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import StreamingResponse
from lightning_toll import create_macaroon, create_toll
from starlette.background import BackgroundTask


class NoWallet:
    async def create_invoice(self, **_):
        raise NotImplementedError


secret = os.environ["TOLL_SECRET"]
paywall = create_toll(wallet=NoWallet(), secret=secret)(sats=5)
origin = httpx.AsyncClient(base_url=os.environ["ORIGIN_URL"])
app = FastAPI()


@app.get("/api/joke")
async def joke(request: Request):
    # The package annotates this parameter as `Any`, so that FastAPI cannot pass it as a dependency.
    await paywall(request)
    headers = [(name, value) for name, value in request.headers.items() if name not in ("host", "authorization")]
    answer = await origin.send(origin.build_request("GET", request.url.path, headers=headers), stream=True)
    return StreamingResponse(answer.aiter_raw(), answer.status_code, answer.headers, background=BackgroundTask(answer.aclose))


preimage = os.urandom(32)
macaroon = create_macaroon(
    secret,
    payment_hash=hashlib.sha256(preimage).hexdigest(),
    expires_at=int(time.time()) + 3600,
    endpoint="/api/joke",
    method="GET",
)
print(f"L402 {macaroon.raw}:{preimage.hex()}", flush=True)
uvicorn.run(app, host="127.0.0.1", port=int(sys.argv[1]), log_level="warning", access_log=False)
