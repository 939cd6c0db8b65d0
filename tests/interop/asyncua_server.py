"""An OPC UA server on asyncua that holds what it is told, for the interop tests.

    asyncua_server.py PORT [--namespaces URI,URI] [--items N] [--every MS] [--secure CERTIFICATE KEY] [--uri URI] [--user NAME:PASSWORD]
                      [--user-certificate CERTIFICATE] [--history] [--endless] [--writes FILE]

It serves opc.tcp://127.0.0.1:PORT. The nodes are in the namespace `urn:plant`: one variable of each type by its name, arrays,
an enumeration, a structure, `counter` that counts up every MS milliseconds (with a history if that is said), and N variables `item0` … that all follow it. Those
that may be written have `w.` before their name; each write that is asked for is noted in FILE. The
first line that it prints is `PORT n`. It ends when its standard input does; a line there is a command in JSON:

    {"set": "Int32", "to": 7, "status": 2151677952}      writes a value with a status
    {"hold": "writes"}                                   notes writes, and never does nor answers them
    {"add": "late"}                                      adds a variable of this name
    {"forget": "subscriptions"}                          deletes all subscriptions behind the back of their clients

and is answered by a line.
"""

import argparse
import asyncio
import json
import os
import sys
import uuid
from datetime import datetime, timezone

from asyncua import Server, ua
from asyncua.common.callback import CallbackType
from asyncua.crypto.permission_rules import User, UserRole

T = ua.VariantType
HELD = []
TIME = datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone.utc)

SCALARS = {
    "Boolean": (True, T.Boolean),
    "SByte": (-128, T.SByte),
    "Byte": (255, T.Byte),
    "Int16": (-32768, T.Int16),
    "UInt16": (65535, T.UInt16),
    "Int32": (-2147483648, T.Int32),
    "UInt32": (4294967295, T.UInt32),
    "Int64": (-9223372036854775808, T.Int64),
    "UInt64": (18446744073709551615, T.UInt64),
    "Float": (78.4, T.Float),
    "Double": (-1.0e-300, T.Double),
    "String": ("Grüße; a=b \"c\"", T.String),
    "DateTime": (TIME, T.DateTime),
    "Guid": (uuid.UUID("72962b91-fa75-4ae6-8d28-b404dc7daf63"), T.Guid),
    "ByteString": (b"\x00\x01\xfe\xff", T.ByteString),
    "XmlElement": (ua.XmlElement("<a/>"), T.XmlElement),
    "NodeId": (ua.NodeId("Line.Speed", 2), T.NodeId),
    "StatusCode": (ua.StatusCode(0x80340000), T.StatusCode),
    "QualifiedName": (ua.QualifiedName("Speed", 2), T.QualifiedName),
    "LocalizedText": (ua.LocalizedText("an", "de"), T.LocalizedText),
    "NaN": (float("nan"), T.Double),
}


class Users:
    """Lets in who has the password, or everybody if there is none."""

    def __init__(self, user, certificate=None):
        self.user = user
        self.certificate = open(certificate, "rb").read() if certificate else None

    def get_user(self, iserver, username=None, password=None, certificate=None):
        if self.certificate:
            return User(role=UserRole.User) if certificate == self.certificate else None
        if self.user is None or f"{username}:{password}" == self.user:
            return User(role=UserRole.User)
        return None


async def fill(server, namespace, items):
    """All nodes; what counts up."""
    folder = await server.nodes.objects.add_object(ua.NodeId("Line", namespace), f"{namespace}:Line")

    async def add(name, value, kind):
        return await folder.add_variable(ua.NodeId(name, namespace), f"{namespace}:{name}", ua.Variant(value, kind))

    for name, (value, kind) in SCALARS.items():
        await add(name, value, kind)
    await add("Array", [1, 2, 3], T.Int32)
    await add("Texts", ["a", "b"], T.String)
    await add("Matrix", [[1, 2], [3, 4]], T.Int32)
    await add("band", 0.0, T.Double)
    ranged = await add("percent", 0.0, T.Double)
    await ranged.add_property(
        ua.NodeId("percent.EURange", namespace), ua.QualifiedName("EURange", 0), ua.Variant(ua.Range(0.0, 200.0), T.ExtensionObject)
    )
    from asyncua.common.structures104 import new_enum, new_struct, new_struct_field

    await new_enum(server, namespace, "State", ["Stopped", "Running", "Broken"])
    inner = await new_struct(server, namespace, "Point", [new_struct_field("x", T.Double), new_struct_field("y", T.Double)])
    inner = inner[0] if isinstance(inner, tuple) else inner
    await new_struct(
        server,
        namespace,
        "Order",
        [
            new_struct_field("number", T.UInt32),
            new_struct_field("name", T.String),
            new_struct_field("sizes", T.Int16, array=True),
            new_struct_field("at", inner),
        ],
    )
    await server.load_data_type_definitions()
    state = await add("State", ua.State.Running, T.Int32)
    kinds = server.get_node(ua.NodeId(ua.ObjectIds.Enumeration))
    for child in await kinds.get_children():
        if (await child.read_browse_name()).Name == "State":
            await state.write_attribute(ua.AttributeIds.DataType, ua.DataValue(ua.Variant(child.nodeid, T.NodeId)))
    point = ua.Point()
    point.x, point.y = 1.5, -2.5
    order = ua.Order()
    order.number, order.name, order.sizes, order.at = 42, "bolt", [7, 8], point
    await add("Order", order, T.ExtensionObject)
    await writable(server, namespace, add, state)
    counting = [await add("counter", 0, T.Int64)]
    # Few in a folder: asyncua looks through all of its folder for each.
    for index in range(items):
        if index % 100 == 0:
            folder = await server.nodes.objects.add_object(ua.NodeId(f"Folder{index}", namespace), f"{namespace}:Folder{index}")
        counting.append(await add(f"item{index}", 0, T.Int64))
    return counting


async def writable(server, namespace, add, state):
    """What may be written, each by its name with `w.` before it; and what is to be refused."""
    arrays = {"Array": ([1, 2, 3], T.Int32), "Texts": (["a", "b"], T.String), "Matrix": ([[1, 2], [3, 4]], T.Int32)}
    for name, (value, kind) in {**SCALARS, **arrays}.items():
        await (await add(f"w.{name}", value, kind)).set_writable()
    access, data_type = ua.AttributeIds.UserAccessLevel, ua.AttributeIds.DataType
    for name, value, kind, attribute, to in [
        ("State", ua.State.Running, T.Int32, data_type, await state.read_attribute(data_type)),
        ("Open", 5, T.Int16, data_type, ua.DataValue(ua.Variant(ua.NodeId(ua.ObjectIds.BaseDataType), T.NodeId))),
        ("Empty", None, T.Null, data_type, ua.DataValue(ua.Variant(ua.NodeId(ua.ObjectIds.BaseDataType), T.NodeId))),
        ("Order", ua.Order(), T.ExtensionObject, None, None),
        ("Deaf", 5, T.Int16, None, None),
        ("Denied", 5, T.Int16, access, ua.DataValue(ua.Variant(1, T.Byte))),
    ]:
        node = await add(f"w.{name}", value, kind)
        await node.set_writable()
        if attribute:
            await node.write_attribute(attribute, to)
        if name == "Deaf":
            server.set_attribute_value_setter(node.nodeid, lambda *_: None)


def note_writes(server, path):
    """Notes each write before it is done."""

    async def note(event, _):
        with open(path, "a") as file:
            for asked in event.request_params.NodesToWrite:
                file.write(f"{asked.NodeId.NamespaceIndex} {asked.NodeId.Identifier} {asked.Value.Value.Value} {asked.Value.SourceTimestamp}\n")
        if HELD:
            await asyncio.sleep(3600)

    server.subscribe_server_callback(CallbackType.PreWrite, note)
async def furnish(server, namespace, endless):
    """What is there to be browsed: a unit, a range, states, a loop, two of one name; a tree without end if that is wanted."""
    tank = await server.nodes.objects.add_object(ua.NodeId("Tank", namespace), f"{namespace}:Tank 1")
    level = await tank.add_variable(ua.NodeId("Tank.Level", namespace), f"{namespace}:Level", ua.Variant(1.5, T.Double))
    unit = ua.EUInformation()
    unit.NamespaceUri, unit.UnitId = "http://www.opcfoundation.org/UA/units/un/cefact", 4408652
    unit.DisplayName, unit.Description = ua.LocalizedText("°C"), ua.LocalizedText("degree Celsius")
    for name, value in [("EngineeringUnits", unit), ("EURange", ua.Range(-50.0, 150.5))]:
        await level.add_property(ua.NodeId(f"Tank.{name}", namespace), ua.QualifiedName(name, 0), ua.Variant(value, T.ExtensionObject))
    mode = await tank.add_variable(ua.NodeId("Tank.Mode", namespace), f"{namespace}:Mode", ua.Variant(1, T.UInt32))
    names = [ua.LocalizedText(name) for name in ("Hand", "Auto")]
    await mode.add_property(ua.NodeId("Tank.Names", namespace), ua.QualifiedName("EnumStrings", 0), ua.Variant(names, T.LocalizedText))
    await tank.add_variable(ua.NodeId('Tank;s="x"', namespace), f"{namespace}:Level", ua.Variant(2.5, T.Double))
    await tank.add_reference(server.nodes.objects, ua.ObjectIds.HasComponent)
    if not endless:
        return
    made = 0

    def children(parameters):
        nonlocal made
        results = []
        for _ in parameters.NodesToBrowse:
            result = ua.BrowseResult()
            for _ in range(20):
                made += 1
                child = ua.ReferenceDescription()
                child.ReferenceTypeId, child.IsForward = ua.NodeId(ua.ObjectIds.Organizes), True
                child.NodeId, child.NodeClass = ua.ExpandedNodeId(made, namespace), ua.NodeClass.Object
                child.BrowseName = ua.QualifiedName(f"{made:0400}", namespace)
                result.References.append(child)
            results.append(result)
        return results

    server.iserver.view_service.browse = children


async def count(server, nodes, every):
    loop = asyncio.get_running_loop()
    value, due = 0, loop.time()
    while True:
        due += every / 1000
        await asyncio.sleep(max(0, due - loop.time()))
        value += 1
        for node in nodes:
            await server.write_attribute_value(node.nodeid, ua.DataValue(ua.Variant(value, T.Int64), SourceTimestamp=datetime.now(timezone.utc)))


async def obey(server, namespace):
    """Commands, one a line."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    while line := await reader.readline():
        command = json.loads(line)
        if "set" in command:
            node = server.get_node(ua.NodeId(command["set"], namespace))
            kind = await node.read_data_type_as_variant_type()
            value = ua.DataValue(
                ua.Variant(command["to"], kind),
                ua.StatusCode(command.get("status", 0)),
                datetime.now(timezone.utc),
            )
            await server.write_attribute_value(node.nodeid, value)
        elif "hold" in command:
            HELD.append(command["hold"])
        elif "add" in command:
            folder = server.get_node(ua.NodeId("Line", namespace))
            name = command["add"]
            await folder.add_variable(ua.NodeId(name, namespace), f"{namespace}:{name}", ua.Variant(7, T.Int64))
        elif "forget" in command:
            service = server.iserver.subscription_service
            # Its history has subscriptions of its own.
            clients = [id for id, one in service.subscriptions.items() if one.pub_request_callback]
            await service.delete_subscriptions(clients)
        print("OK", flush=True)
    os._exit(0)


async def main():
    arguments = argparse.ArgumentParser()
    arguments.add_argument("port", type=int)
    arguments.add_argument("--namespaces", default="urn:plant")
    arguments.add_argument("--items", type=int, default=0)
    arguments.add_argument("--every", type=float, default=0)
    arguments.add_argument("--secure", nargs=2)
    arguments.add_argument("--uri", default="urn:interop:asyncua")
    arguments.add_argument("--user")
    arguments.add_argument("--user-certificate")
    arguments.add_argument("--history", action="store_true")
    arguments.add_argument("--writes")
    arguments.add_argument("--endless", action="store_true")
    told = arguments.parse_args()
    server = Server(user_manager=Users(told.user, told.user_certificate))
    await server.init()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{told.port}/")
    await server.set_application_uri(told.uri)
    server.set_server_name("asyncua for interop")
    if told.secure:
        server.set_security_policy(
            [ua.SecurityPolicyType.Basic256Sha256_SignAndEncrypt, ua.SecurityPolicyType.Basic256Sha256_Sign,
             ua.SecurityPolicyType.Aes128Sha256RsaOaep_SignAndEncrypt, ua.SecurityPolicyType.Aes256Sha256RsaPss_SignAndEncrypt]
        )
        await server.load_certificate(told.secure[0])
        await server.load_private_key(told.secure[1])
    else:
        server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    if told.user:
        server.set_identity_tokens([ua.UserNameIdentityToken])
    if told.user_certificate:
        server.set_identity_tokens([ua.X509IdentityToken])
    for uri in told.namespaces.split(","):
        await server.register_namespace(uri)
    namespace = await server.get_namespace_index("urn:plant")
    counting = await fill(server, namespace, told.items)
    await furnish(server, namespace, told.endless)
    async with server:
        if told.writes:
            note_writes(server, told.writes)
        if told.history:
            await server.historize_node_data_change(counting[0])
        print(f"PORT {told.port}", flush=True)
        tasks = [asyncio.create_task(obey(server, namespace))]
        if told.every:
            tasks.append(asyncio.create_task(count(server, counting, told.every)))
        await asyncio.gather(*tasks)


asyncio.run(main())
