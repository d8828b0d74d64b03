// node-routeros as its users write it: what was asked on standard input, what came on output.
const fs = require("node:fs");
const { RouterOSAPI } = require("node-routeros");

const LEASE = "/ip/dhcp-server/lease";

async function story({ host, port, user, password, row, comment }) {
  const api = new RouterOSAPI({ host, port, user, password });
  await api.connect();
  let heard;
  const first = new Promise((resolve) => (heard = resolve));
  const stream = api.stream([`${LEASE}/listen`], (error, change) => heard(error ?? change));
  const words = Object.entries(row).map(([name, value]) => `=${name}=${value}`);
  const [{ ret: added }] = await api.write(`${LEASE}/add`, words);
  const listened = await first;
  await stream.stop();
  const found = await api.write(`${LEASE}/print`, [`?mac-address=${row["mac-address"]}`]);
  await api.write(`${LEASE}/set`, [`=numbers=${added}`, `=comment=${comment}`]);
  const [changed] = await api.write(`${LEASE}/print`, [`?.id=${added}`]);
  const duplicate = await api.write(`${LEASE}/add`, words).then(
    () => "",
    (error) => error.message,
  );
  const asked = Array.from({ length: 32 }, () => api.write("/system/identity/print"));
  const names = new Set((await Promise.all(asked)).map(([{ name }]) => name));
  await api.write(`${LEASE}/remove`, [`=numbers=${added}`]);
  const left = await api.write(`${LEASE}/print`);
  await api.close();
  return { added, listened, found, changed, duplicate, names: [...names], left };
}

story(JSON.parse(fs.readFileSync(0, "utf8"))).then((told) => console.log(JSON.stringify(told)));
