//! Any bytes as the bootstrap file of a smartcard.
#![cfg_attr(fuzzing, no_main)]

lwm2m_fuzz::target_main!(card_file);
