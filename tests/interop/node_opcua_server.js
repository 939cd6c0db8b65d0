// An OPC UA server on node-opcua, for the interop tests.
//
//     node_opcua_server.js PORT FOLDER [--every MS] [--items N] [--endless] [--per-call N] [--per-subscription N] [--hidden]
//
// It serves opc.tcp://127.0.0.1:PORT, with and without security, and keeps its certificates in FOLDER. Its nodes are in the
// namespace `urn:plant`: `counter`, which counts up every MS milliseconds; `fast`, which changes every 10 ms; `band`, and `percent`
// with a range of 0 to 200, which are set by commands; N variables `item0` … that all follow `counter`; and those that may be
// written have `w.` before their name. The first line that it prints is `PORT n`. It ends when its standard
// input does; a line there is a command in JSON, and is answered by a line:
//
//     {"set": "band", "to": 7, "status": "UncertainLastUsableValue"}
//     {"forget": "sessions"}       ends all sessions, and keeps their subscriptions for others to take over
//     {"forget": "subscriptions"}  ends all subscriptions behind the back of their clients

const readline = require("node:readline");
const installed = (name) => require(`${process.env.NODE_OPCUA}/${name}`);
const { OPCUAServer } = installed("node-opcua-server");
const { OPCUACertificateManager } = installed("node-opcua-certificate-manager");
const { DataType, Variant, VariantArrayType } = installed("node-opcua-variant");
const { StatusCodes } = installed("node-opcua-status-code");

const [port, folder] = process.argv.slice(2);
const option = (name) => (process.argv.includes(name) ? Number(process.argv[process.argv.indexOf(name) + 1]) : undefined);
const [every, items] = [option("--every") ?? 0, option("--items") ?? 0];

// What is there to be browsed: a unit, states, many things in a folder, which it gives; an answer without end if that is wanted.
function furnish(namespace, line) {
  const { standardUnits } = installed("node-opcua-data-access");
  namespace.addAnalogDataItem({
    componentOf: line, browseName: "heat", nodeId: "s=heat", dataType: "Double", definition: "",
    engineeringUnitsRange: { low: -50, high: 150.5 }, engineeringUnits: standardUnits.degree_celsius,
  });
  namespace.addMultiStateDiscrete({ componentOf: line, browseName: "mode", nodeId: "s=mode", enumStrings: ["Hand", "Auto"], value: 1 });
  const followers = [];
  if (items) {
    const many = namespace.addObject({ browseName: "Many", organizedBy: line });
    for (let n = 0; n < items; n++) {
      const one = namespace.addVariable({ componentOf: many, browseName: `item${n}`, nodeId: `s=item${n}`, dataType: "Int32" });
      one.setValueFromSource({ dataType: DataType.Int32, value: n });
      followers.push(one);
    }
  }
  if (process.argv.includes("--endless")) {
    const points = installed("node-opcua-address-space/dist/api/continuation_points/continuation_point_manager").ContinuationPointManager.prototype;
    const first = points.registerReferences;
    points.registerReferences = function (most, values, data) {
      const answer = first.call(this, most, values, data);
      this.again = { ...answer };
      return answer;
    };
    points.getNextReferences = function () {
      return this.again;
    };
  }
  return followers;
}

async function main() {
  const manager = new OPCUACertificateManager({ rootFolder: folder, automaticallyAcceptUnknownCertificate: true });
  await manager.initialize();
  const server = new OPCUAServer({
    serverCapabilities: {
      operationLimits: { maxMonitoredItemsPerCall: option("--per-call"), maxNodesPerWrite: 7 },
      maxMonitoredItemsPerSubscription: option("--per-subscription"),
    },
    port: Number(port),
    host: "127.0.0.1",
    hostname: "127.0.0.1",
    serverCertificateManager: manager,
    userCertificateManager: manager,
    serverInfo: { applicationUri: "urn:interop:node-opcua" },
    buildInfo: { productName: "node-opcua for interop" },
  });
  await server.initialize();
  const space = server.engine.addressSpace;
  const namespace = space.registerNamespace("urn:plant");
  const line = namespace.addObject({ browseName: "Line", organizedBy: space.rootFolder.objects });
  const held = {};
  const add = (name, kind, value) => {
    held[name] = namespace.addVariable({ componentOf: line, browseName: name, nodeId: `s=${name}`, dataType: kind, minimumSamplingInterval: 10 });
    held[name].setValueFromSource({ dataType: DataType[kind], value });
    return held[name];
  };
  add("counter", "Int32", 0);
  add("fast", "Int32", 0);
  add("band", "Double", 0);
  held.percent = namespace.addAnalogDataItem({
    componentOf: line, browseName: "percent", nodeId: "s=percent", dataType: "Double",
    engineeringUnitsRange: { low: 0, high: 200 }, instrumentRange: { low: 0, high: 200 }, definition: "",
    minimumSamplingInterval: 10,
  });
  held.percent.setValueFromSource({ dataType: DataType.Double, value: 0 });
  // What may be written.
  for (const kind of ["Boolean", "SByte", "Byte", "Int16", "UInt16", "Int32", "UInt32", "Int64", "UInt64", "Float", "Double", "String",
    "DateTime", "Guid", "ByteString", "XmlElement", "NodeId", "QualifiedName", "LocalizedText"]) {
    namespace.addVariable({ componentOf: line, browseName: `w.${kind}`, nodeId: `s=w.${kind}`, dataType: kind });
  }
  const array = { dataType: DataType.Int32, arrayType: VariantArrayType.Array, value: new Int32Array([1, 2, 3]) };
  const many = { componentOf: line, browseName: "w.Array", nodeId: "s=w.Array", dataType: "Int32", valueRank: 1, arrayDimensions: [3] };
  namespace.addVariable({ ...many, value: array });
  namespace.addVariable({ componentOf: line, browseName: "w.Read", nodeId: "s=w.Read", dataType: "Int32", accessLevel: "CurrentRead" });
  const counting = [held.counter, ...furnish(namespace, line)];
  let count = 0;
  let fast = 0;
  const tick = () => {
    count++;
    for (const variable of counting) variable.setValueFromSource({ dataType: DataType.Int32, value: count });
  };
  if (every) setInterval(tick, every);
  setInterval(() => held.fast.setValueFromSource({ dataType: DataType.Int32, value: ++fast }), 10);
  if (process.argv.includes("--hidden")) {
    // It has limits, and does not say so.
    const limit = space.findNode("i=24104");
    limit.bindVariable({ get: () => new Variant({ dataType: DataType.UInt32, value: 0 }) }, true);
  }
  await server.start();
  console.log(`PORT ${port}`);
  const commands = readline.createInterface({ input: process.stdin });
  commands.on("line", (text) => {
    const command = JSON.parse(text);
    if (command.set) {
      const status = StatusCodes[command.status ?? "Good"];
      held[command.set].setValueFromSource({ dataType: DataType.Double, value: command.to }, status, new Date());
    } else {
      for (const session of Object.values(server.engine._sessions)) {
        if (command.forget === "subscriptions") {
          for (const id of Object.keys(session.publishEngine._subscriptions)) session.deleteSubscription(Number(id));
        } else {
          server.engine.closeSession(session.authenticationToken, false, "Forcing");
        }
      }
    }
    console.log("OK");
  });
  commands.on("close", () => process.exit(0));
}

main();
