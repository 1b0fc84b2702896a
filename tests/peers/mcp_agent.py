"""Uses `edgetoll mcp` through the official Python client of the Model Context Protocol.

Arguments: the command, whether the person confirms payments (`yes`, `no`, or `none` for a client that cannot ask), and the calls as JSON:
a list of `[tool, arguments]`, or of lists of them that are called at the same time. Prints the name of the server, the tools and the results as JSON.
"""

import asyncio
import json
import os
import sys

from mcp import ClientSession, StdioServerParameters, types
from mcp.client.stdio import stdio_client

command, answer, calls = sys.argv[1], sys.argv[2], json.loads(sys.argv[3])
questions = []


async def confirm(_context, parameters):
    questions.append(parameters.message)
    if answer == "yes":
        return types.ElicitResult(action="accept", content={"pay": True})
    return types.ElicitResult(action="decline")


async def call_tool(session, name, arguments):
    result = await session.call_tool(name, arguments)
    text = result.content[0].text if result.content else ""
    return {"error": text} if result.is_error else result.structured_content


async def main():
    server = StdioServerParameters(command=command, args=["mcp"], env=dict(os.environ))
    async with stdio_client(server) as (read, write):
        async with ClientSession(read, write, elicitation_callback=None if answer == "none" else confirm) as session:
            server_info = (await session.initialize()).server_info
            tools = [tool.name for tool in (await session.list_tools()).tools]
            results = []
            for entry in calls:
                # A list in the place of a call holds calls at the same time.
                together = entry if isinstance(entry[0], list) else [entry]
                results += await asyncio.gather(*(call_tool(session, name, arguments) for name, arguments in together))
    print(json.dumps({"server": server_info.name, "tools": sorted(tools), "results": results, "questions": questions}))


asyncio.run(main())
