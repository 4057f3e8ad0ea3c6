// Print the points of sections 2 and 3 of a .ptau file, as snarkjs's own libraries read them.
const { buildBn128 } = require("ffjavascript");
const files = require("@iden3/binfileutils");

async function main(path) {
    const curve = await buildBn128();
    const { fd, sections } = await files.readBinFile(path, "ptau", 1);
    const points = async (id, group) => {
        await files.startReadUniqueSection(fd, sections, id);
        const out = [];
        for (let left = sections[id][0].size; left > 0; left -= 2 * group.F.n8) {
            const raw = await fd.read(2 * group.F.n8);
            out.push(group.toObject(group.fromRprLEM(raw, 0)));
        }
        await files.endReadSection(fd);
        return out;
    };
    const found = { g1: await points(2, curve.G1), g2: await points(3, curve.G2) };
    await fd.close();
    await curve.terminate();
    const text = JSON.stringify(found, (_, value) => typeof value === "bigint" ? String(value) : value);
    process.stdout.write(text);
}

main(process.argv[2]);
