// Read the records of a name with viem, by ENS's own ABI. Arguments: {url, registry, name, node}.
import { createPublicClient, http, namehash, parseAbi } from "viem";

const asked = JSON.parse(process.argv[2]);
const client = createPublicClient({ transport: http(asked.url) });
const registry = parseAbi(["function resolver(bytes32 node) view returns (address)"]);
const resolver = parseAbi([
  "function addr(bytes32 node) view returns (address)",
  "function addr(bytes32 node, uint256 coinType) view returns (bytes)",
  "function text(bytes32 node, string key) view returns (string)",
  "function contenthash(bytes32 node) view returns (bytes)",
  "function supportsInterface(bytes4 interfaceId) view returns (bool)",
]);
const node = namehash(asked.name);
const address = await client.readContract({
  address: asked.registry,
  abi: registry,
  functionName: "resolver",
  args: [node],
});
const read = (functionName, ...args) =>
  client.readContract({ address, abi: resolver, functionName, args });
const found = {
  node,
  addr: await read("addr", node),
  addrOfCoin: await read("addr", node, BigInt(asked.coin)),
  text: await read("text", node, "url"),
  contenthash: await read("contenthash", node),
  supports: await Promise.all(asked.interfaces.map((each) => read("supportsInterface", each))),
};
process.stdout.write(JSON.stringify(found));
