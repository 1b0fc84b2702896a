"""Uses `edgetoll mcp` through the official Python client of the Model Context Protocol.

Arguments: the command, whether the person confirms payments (`yes`, `no`, or `none` for a client that cannot ask), and the calls as JSON:
a list of `[tool, arguments]`. Prints the tools and the results as JSON.
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


async def main():
    server = StdioServerParameters(command=command, args=["mcp"], env=dict(os.environ))
    async with stdio_client(server) as (read, write):
        async with ClientSession(read, write, elicitation_callback=None if answer == "none" else confirm) as session:
            await session.initialize()
            tools = [tool.name for tool in (await session.list_tools()).tools]
            results = []
            for name, arguments in calls:
                result = await session.call_tool(name, arguments)
                text = result.content[0].text if result.content else ""
                results.append({"error": text} if result.is_error else result.structured_content)
    print(json.dumps({"tools": sorted(tools), "results": results, "questions": questions}))


asyncio.run(main())
