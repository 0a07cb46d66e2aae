//! Any responses of a smartcard on the way to its bootstrap file.
#![cfg_attr(fuzzing, no_main)]

lwm2m_fuzz::target_main!(card_walk);
