// tables.cl: tables over some variables as tables over more of them.
//
// Used by    joynet_sdk.proofs.device_tables; after bn254_field.cl
// Reference  joynet_sdk.proofs.tables
// Form       Montgomery; variable 0 is the lowest bit of an index.

#define ITEM(name) \
    const uint name = (uint)get_global_id(0); \
    if (name >= items) \
        return;

// out[i] = in[j], bit k of j being bit places[k] of i.
__kernel void table_spread(__global const fe *in, uint at, __global fe *out,
    __global const uint *places, uint variables, uint items)
{
    ITEM(i)
    uint j = 0;
    for (uint k = 0; k < variables; k++)
        j |= ((i >> places[k]) & 1) << k;
    out[i] = in[at + j];
}
