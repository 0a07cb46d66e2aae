//! Instructions of the works that have a floor, counted by valgrind:
//! `cargo bench -p lwm2m-benches --features instructions --bench instructions`.
//!
//! The counts are the same on a busy machine, so that two commits can be compared. It needs
//! valgrind and `gungraun-runner` of gungraun's version.
#![allow(missing_docs)] // for the modules that gungraun's macros write

use gungraun::{library_benchmark, library_benchmark_group, main};
use lwm2m_benches::cases::{self, Work};

/// Takes a work from the table, and does it once before it is counted.
fn prepare(name: &str) -> Work {
    let mut cases = cases::all().into_iter();
    let case = cases.find(|case| case.name == name);
    let mut work = case.expect("a row of the table").ours;
    work.run(1);
    work
}

#[library_benchmark(setup = prepare)]
#[bench::register_parse("CoAP Register parse and walk")]
#[bench::register_write("CoAP Register write")]
#[bench::device_tlv_decode("Device TLV decode")]
#[bench::device_tlv_encode("Device TLV encode")]
#[bench::device_senml_cbor_decode("Device SenML CBOR decode")]
#[bench::device_senml_cbor_encode("Device SenML CBOR encode")]
#[bench::device_senml_json_decode("Device SenML JSON decode")]
#[bench::device_senml_json_encode("Device SenML JSON encode")]
#[bench::device_lwm2m_cbor_decode("Device LwM2M CBOR decode")]
#[bench::device_lwm2m_cbor_encode("Device LwM2M CBOR encode")]
#[bench::readings_senml_cbor_decode("20 readings SenML CBOR decode")]
fn codec(mut work: Work) -> Work {
    work.run(1);
    work
}

library_benchmark_group!(name = instructions; benchmarks = codec);
main!(library_benchmark_groups = instructions);
