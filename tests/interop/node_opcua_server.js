// An OPC UA server on node-opcua, for the interop tests.
//
//     node_opcua_server.js PORT FOLDER [--every MS] [--items N]
//
// It serves opc.tcp://127.0.0.1:PORT, with and without security, and keeps its certificates in FOLDER. Its nodes are in the
// namespace `urn:plant`: `counter`, which counts up every MS milliseconds; `fast`, which changes every 10 ms; `band`, and `percent`
// with a range of 0 to 200, which are set by commands; N variables `item0` … that all follow `counter`. The first line that it prints is `PORT n`. It ends when its standard
// input does; a line there is a command in JSON, and is answered by a line:
//
//     {"set": "band", "to": 7}
//     {"forget": "sessions"}       ends all sessions, and keeps their subscriptions for others to take over
//     {"forget": "subscriptions"}  ends all subscriptions behind the back of their clients

const readline = require("node:readline");
const installed = (name) => require(`${process.env.NODE_OPCUA}/${name}`);
const { OPCUAServer } = installed("node-opcua-server");
const { OPCUACertificateManager } = installed("node-opcua-certificate-manager");
const { DataType } = installed("node-opcua-variant");

const [port, folder] = process.argv.slice(2);
const option = (name) => (process.argv.includes(name) ? Number(process.argv[process.argv.indexOf(name) + 1]) : 0);
const [every, items] = [option("--every"), option("--items")];

async function main() {
  const manager = new OPCUACertificateManager({ rootFolder: folder, automaticallyAcceptUnknownCertificate: true });
  await manager.initialize();
  const server = new OPCUAServer({
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
  const counting = [held.counter];
  for (let index = 0; index < items; index++) counting.push(add(`item${index}`, "Int32", 0));
  let count = 0;
  let fast = 0;
  const tick = () => {
    count++;
    for (const variable of counting) variable.setValueFromSource({ dataType: DataType.Int32, value: count });
  };
  if (every) setInterval(tick, every);
  setInterval(() => held.fast.setValueFromSource({ dataType: DataType.Int32, value: ++fast }), 10);
  await server.start();
  console.log(`PORT ${port}`);
  const commands = readline.createInterface({ input: process.stdin });
  commands.on("line", (text) => {
    const command = JSON.parse(text);
    if (command.set) {
      held[command.set].setValueFromSource({ dataType: DataType.Double, value: command.to });
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
