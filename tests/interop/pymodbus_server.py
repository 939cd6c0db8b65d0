"""A Modbus server on pymodbus that holds what a file says, for the interop tests.

    pymodbus_server.py MEMORY [PORT]

PORT is one of 127.0.0.1, for Modbus TCP (any free one unless it is named), or the path of a serial port, for Modbus RTU at
115200 baud without parity. The first line that it prints is `PORT n`. It ends when its standard
input does, so that none is left behind by a test that was killed. MEMORY has one line for a run of values, which stay as
they are; a place that is not named is an illegal address, which pymodbus holds to 16 bits for coils and discrete inputs:

    unit 1
    holding 10 0x1234 0x5678
    coil 3 1 0 1
"""

import asyncio
import os
import sys
import threading

from pymodbus.server import ModbusSerialServer, ModbusTcpServer
from pymodbus.simulator import DataType, SimData, SimDevice

# In the order in which pymodbus wants them.
TABLES = ["coil", "discrete", "holding", "input"]


def device(unit, tables):
    """The four tables of one unit. pymodbus wants none to be empty, so an unused one has its last place only."""
    blocks = []
    for table in TABLES:
        bits = table in ("coil", "discrete")
        runs = tables.get(table) or {65535: [0]}
        values = {start: [bool(v) for v in run] if bits else run for start, run in sorted(runs.items())}
        kind = DataType.BITS if bits else DataType.REGISTERS
        blocks.append([SimData(start, values=run, datatype=kind) for start, run in values.items()])
    return SimDevice(unit, simdata=tuple(blocks))


def read(path):
    """The units of a memory file, each with its tables of runs of values by their first address."""
    units = {}
    tables = None
    with open(path, encoding="ascii") as lines:
        for line in lines:
            match line.split():
                case []:
                    pass
                case ["unit", unit]:
                    tables = units.setdefault(int(unit), {})
                case [table, start, *values] if table in TABLES and tables is not None and values:
                    tables.setdefault(table, {})[int(start)] = [int(value, 0) for value in values]
                case _:
                    sys.exit(f"{path}: cannot read `{line.strip()}`")
    return units


def end_with_stdin():
    """Ends the process when whoever started it is gone."""
    sys.stdin.buffer.read()
    os._exit(0)


async def main():
    """Serves for ever."""
    port = sys.argv[2] if len(sys.argv) > 2 else "0"
    devices = [device(unit, tables) for unit, tables in read(sys.argv[1]).items()]
    if port.startswith("/"):
        server = ModbusSerialServer(devices, port=port, baudrate=115200)
        await server.serve_forever(background=True)
    else:
        server = ModbusTcpServer(devices, address=("127.0.0.1", int(port)))
        await server.serve_forever(background=True)
        port = server.transport.sockets[0].getsockname()[1]
    print(f"PORT {port}", flush=True)
    threading.Thread(target=end_with_stdin, daemon=True).start()
    await server.serving


asyncio.run(main())
