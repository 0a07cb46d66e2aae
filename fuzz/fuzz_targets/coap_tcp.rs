//! Any bytes as a stream of CoAP messages over TCP, cut in any way.
#![cfg_attr(fuzzing, no_main)]

lwm2m_fuzz::target_main!(coap_tcp);
