//! Milenage (TS 35.206): the part of a SIM's authentication that gives the keys CK and IK.

use aes::{
    Aes128,
    cipher::{BlockCipherEncrypt, KeyInit},
};
use zeroize::Zeroizing;

/// A block of the cipher, in bytes.
const BLOCK: usize = 16;

/// Calculates OPc of the operator's OP and the card's K (TS 35.206 §4.1).
pub fn opc(k: &[u8; BLOCK], op: &[u8; BLOCK]) -> Zeroizing<[u8; BLOCK]> {
    xor(&encrypt(&Aes128::new(k.into()), op), op)
}

/// CK and IK (functions f3 and f4) of the card's K and OPc, and the network's RAND.
pub fn ck_ik(
    k: &[u8; BLOCK],
    opc: &[u8; BLOCK],
    rand: &[u8; BLOCK],
) -> (Zeroizing<[u8; BLOCK]>, Zeroizing<[u8; BLOCK]>) {
    let cipher = Aes128::new(k.into());
    let temp = encrypt(&cipher, &xor(rand, opc));
    let out = |rotation: usize, constant: u8| {
        let mut block = xor(&temp, opc);
        block.rotate_left(rotation);
        let [.., last] = &mut *block;
        *last ^= constant;
        xor(&encrypt(&cipher, &block), opc)
    };
    // r3 = 32 bits and c3 = 2, r4 = 64 bits and c4 = 4 (TS 35.206 §4.1).
    (out(4, 2), out(8, 4))
}

fn encrypt(cipher: &Aes128, block: &[u8; BLOCK]) -> Zeroizing<[u8; BLOCK]> {
    let mut block = Zeroizing::new(*block);
    cipher.encrypt_block((&mut *block).into());
    block
}

fn xor(a: &[u8; BLOCK], b: &[u8; BLOCK]) -> Zeroizing<[u8; BLOCK]> {
    let mut out = Zeroizing::new(*a);
    out.iter_mut().zip(b).for_each(|(a, b)| *a ^= b);
    out
}
