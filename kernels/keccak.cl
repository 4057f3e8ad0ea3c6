// keccak.cl: keccak-256 of many messages of one length.
//
// Used by    joynet_sdk.proofs.keccak; stands alone
// Reference  eth_utils.keccak
// Maths      Keccak-f[1600], rate 136 bytes, padding 0x01 ... 0x80 (FIPS 202 section 3, with
//            Ethereum's original padding). Words are little-endian.

#define RATE 136

__constant ulong ROUND_CONSTANTS[24] = {
    0x0000000000000001UL, 0x0000000000008082UL, 0x800000000000808aUL, 0x8000000080008000UL,
    0x000000000000808bUL, 0x0000000080000001UL, 0x8000000080008081UL, 0x8000000000008009UL,
    0x000000000000008aUL, 0x0000000000000088UL, 0x0000000080008009UL, 0x000000008000000aUL,
    0x000000008000808bUL, 0x800000000000008bUL, 0x8000000000008089UL, 0x8000000000008003UL,
    0x8000000000008002UL, 0x8000000000000080UL, 0x000000000000800aUL, 0x800000008000000aUL,
    0x8000000080008081UL, 0x8000000000008080UL, 0x0000000080000001UL, 0x8000000080008008UL};

// rho and pi along pi's cycle: lane i moves to PLACES[i], rotated by TURNS[i].
__constant uint PLACES[24] = {10, 7,  11, 17, 18, 3, 5,  16, 8,  21, 24, 4,
                              15, 23, 19, 13, 12, 2, 20, 14, 22, 9,  6,  1};
__constant ulong TURNS[24] = {1,  3,  6,  10, 15, 21, 28, 36, 45, 55, 2,  14,
                              27, 41, 56, 8,  25, 43, 62, 18, 39, 61, 20, 44};

static void permute(ulong *a)
{
    for (int round = 0; round < 24; round++) {
        ulong c[5];
        for (int x = 0; x < 5; x++)
            c[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
        for (int x = 0; x < 5; x++) {
            const ulong d = c[(x + 4) % 5] ^ rotate(c[(x + 1) % 5], 1UL);
            for (int y = 0; y < 25; y += 5)
                a[y + x] ^= d;
        }
        ulong moved = a[1];
        for (int i = 0; i < 24; i++) {
            const ulong next = a[PLACES[i]];
            a[PLACES[i]] = rotate(moved, TURNS[i]);
            moved = next;
        }
        for (int y = 0; y < 25; y += 5) {
            for (int x = 0; x < 5; x++)
                c[x] = a[y + x];
            for (int x = 0; x < 5; x++)
                a[y + x] = c[x] ^ (~c[(x + 1) % 5] & c[(x + 2) % 5]);
        }
        a[0] ^= ROUND_CONSTANTS[round];
    }
}

// digests[32 g ..] = keccak-256 of messages[length g .. length (g + 1)).
__kernel void keccak256(
    __global const uchar *messages, __global uchar *digests, uint length, uint items)
{
    const size_t g = get_global_id(0);
    if (g >= items)
        return;
    __global const uchar *message = messages + g * length;
    ulong state[25];
    for (int i = 0; i < 25; i++)
        state[i] = 0;
    uint at = 0;
    for (uint i = 0; i < length; i++) {
        state[at >> 3] ^= (ulong)message[i] << (8 * (at & 7));
        if (++at == RATE) {
            permute(state);
            at = 0;
        }
    }
    state[at >> 3] ^= 1UL << (8 * (at & 7));
    state[(RATE - 1) >> 3] ^= 0x80UL << (8 * ((RATE - 1) & 7));
    permute(state);
    for (uint i = 0; i < 32; i++)
        digests[32 * g + i] = (uchar)(state[i >> 3] >> (8 * (i & 7)));
}
