"""A client on asyncua that looks at a server as a person would, for the interop tests.

    asyncua_client.py URL NAMESPACE ID...

It connects without security, goes from the Objects folder to each variable of NAMESPACE by its ID, reads its value twice, writes
a number to the last one, and subscribes to the first. It prints one line of JSON: {"browsed": [...], "first": {...},
"second": {...}, "types": {...}, "written": ..., "heard": N}.
"""

import asyncio
import json
import sys

from asyncua import Client, ua


class Heard:
    def __init__(self):
        self.count = 0
        self.enough = asyncio.Event()

    def datachange_notification(self, node, value, data):
        self.count += 1
        if 5 <= self.count:
            self.enough.set()


async def main(url, uri, names):
    async with Client(url) as client:
        namespace = await client.get_namespace_index(uri)
        nodes = {name: client.get_node(ua.NodeId(name, namespace)) for name in names}
        browsed = [(await child.read_browse_name()).Name for child in await client.nodes.objects.get_children()]

        async def values():
            return {name: await node.read_value() for name, node in nodes.items()}

        first = await values()
        types = {name: (await node.read_data_type_as_variant_type()).name for name, node in nodes.items()}
        heard = Heard()
        subscription = await client.create_subscription(100, heard)
        await subscription.subscribe_data_change(nodes[names[0]])
        await asyncio.wait_for(heard.enough.wait(), 20)
        second = await values()
        last = nodes[names[-1]]
        await last.write_value(ua.Variant(4711.0, ua.VariantType.Double))
        written = await last.read_value()
        print(json.dumps({"browsed": browsed, "first": first, "second": second, "types": types, "written": written, "heard": heard.count}))


asyncio.run(main(sys.argv[1], sys.argv[2], sys.argv[3:]))
