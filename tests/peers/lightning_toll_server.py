"""A FastAPI app with the unmodified package lightning-toll, whose invoices LNbits creates.

Arguments: the port, the URL of LNbits, and an invoice key of LNbits.
"""

import sys
from types import SimpleNamespace

import httpx
import uvicorn
from fastapi import FastAPI, Request
from lightning_toll import create_toll

port, lnbits_url, invoice_key = sys.argv[1:]


class LnbitsWallet:
    """A wallet as lightning-toll expects it."""

    async def create_invoice(self, amount_sats, description=None, expiry=None):
        order = {"out": False, "amount": amount_sats, "memo": description, "expiry": expiry}
        async with httpx.AsyncClient(base_url=lnbits_url, headers={"X-Api-Key": invoice_key}) as lnbits:
            invoice = (await lnbits.post("/api/v1/payments", json=order)).json()
        return SimpleNamespace(invoice=invoice["bolt11"], payment_hash=invoice["payment_hash"])


toll = create_toll(wallet=LnbitsWallet(), secret="a secret of this test")
app = FastAPI()


@app.get("/joke")
@toll.require(sats=5)
async def joke(request: Request):
    return {"joke": "a joke"}


uvicorn.run(app, host="127.0.0.1", port=int(port), log_level="warning", access_log=False)
