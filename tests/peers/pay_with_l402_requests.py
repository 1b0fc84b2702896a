"""Requests URLs one after the other with the l402-requests package from PyPI, which pays with LNbits, and prints the status codes.

Arguments: the URLs. Environment: LNBITS_URL, and the LNBITS_KEY of a wallet.
"""

import json
import os
import sys

import httpx
from l402_requests import L402Client
from l402_requests.wallets import WalletBase


class Lnbits(WalletBase):
    async def pay_invoice(self, bolt11):
        async with httpx.AsyncClient(headers={"X-Api-Key": os.environ["LNBITS_KEY"]}) as client:
            response = await client.post(f"{os.environ['LNBITS_URL']}/api/v1/payments", json={"out": True, "bolt11": bolt11})
        return response.raise_for_status().json()["preimage"]


client = L402Client(wallet=Lnbits())
print(json.dumps([client.get(url).status_code for url in sys.argv[1:]]))
