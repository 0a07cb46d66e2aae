//! CoAP parsing beside coap-lite: `cargo bench -p lwm2m-benches --bench coap`.
//!
//! "parse" is what each library does to call a datagram a message; "parse and read" also walks
//! over all options, because coap-lite pays for them while parsing and we do while reading.
#![allow(missing_docs)] // for the function that criterion's macro writes

use std::hint::black_box;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use lwm2m_benches::coap::MESSAGES;
use lwm2m_codec::coap::Message;

fn parse(criterion: &mut Criterion) {
    for (name, data) in MESSAGES {
        let mut group = criterion.benchmark_group(format!("coap/parse/{name}"));
        group.throughput(Throughput::Bytes(data.len() as u64));
        group.bench_function("lwm2m-codec", |bencher| {
            bencher.iter(|| black_box(Message::parse(black_box(data)).is_ok()));
        });
        group.bench_function("coap-lite", |bencher| {
            bencher.iter(|| black_box(coap_lite::Packet::from_bytes(black_box(data)).is_ok()));
        });
        group.finish();
    }
}

fn parse_and_read(criterion: &mut Criterion) {
    for (name, data) in MESSAGES {
        let mut group = criterion.benchmark_group(format!("coap/parse and read/{name}"));
        group.throughput(Throughput::Bytes(data.len() as u64));
        group.bench_function("lwm2m-codec", |bencher| {
            bencher.iter(|| ours(black_box(data)));
        });
        group.bench_function("coap-lite", |bencher| {
            bencher.iter(|| coap_lite(black_box(data)));
        });
        group.finish();
    }
}

/// Sums up the lengths of token, option values and payload.
fn ours(data: &[u8]) -> Option<usize> {
    let message = Message::parse(data).ok()?;
    let options: usize = message.options().map(|option| option.value.len()).sum();
    Some(message.token().as_bytes().len() + options + message.payload().len())
}

fn coap_lite(data: &[u8]) -> Option<usize> {
    let message = coap_lite::Packet::from_bytes(data).ok()?;
    let options: usize = message
        .options()
        .flat_map(|(_, values)| values)
        .map(|value| value.len())
        .sum();
    Some(message.get_token().len() + options + message.payload.len())
}

criterion_group!(benches, parse, parse_and_read);
criterion_main!(benches);
