"""Pays a URL with the client of the package lightning-toll and its own wallet, which speaks Nostr Wallet Connect.

Arguments: the URL. The address of the wallet is in NWC_URL. Prints what the client got as JSON.
"""

import asyncio
import json
import os
import sys

from lightning_toll.client.fetch import TollClient


async def main() -> None:
    client = TollClient(wallet_url=os.environ["NWC_URL"], max_sats=100)
    try:
        first = await client.fetch(sys.argv[1])
        second = await client.fetch(sys.argv[1])
        answers = [{"status": answer.status_code, "body": answer.body, "paid": answer.paid} for answer in (first, second)]
        print(json.dumps({"answers": answers, "stats": client.get_stats()}))
    finally:
        await client.close()


asyncio.run(main())
