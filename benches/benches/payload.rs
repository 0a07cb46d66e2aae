//! Decoding and encoding payloads with criterion: `cargo bench -p lwm2m-benches --bench payload`.
#![allow(missing_docs)] // for the function that criterion's macro writes

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, Criterion, Throughput, criterion_group, criterion_main};
use lwm2m_benches::cases::{self, Work};

fn payloads(criterion: &mut Criterion) {
    for mut case in cases::all() {
        let mut group = criterion.benchmark_group(&case.name);
        group.throughput(Throughput::Bytes(case.bytes as u64));
        bench(&mut group, "lwm2m-codec", &mut case.ours);
        for (name, work) in &mut case.rivals {
            bench(&mut group, name, work);
        }
        group.finish();
    }
}

fn bench(group: &mut BenchmarkGroup<'_, WallTime>, name: &str, work: &mut Work) {
    group.bench_function(name, |bencher| {
        bencher.iter_custom(|times| {
            let start = std::time::Instant::now();
            work.run(u32::try_from(times).unwrap_or(u32::MAX));
            start.elapsed()
        });
    });
}

criterion_group!(benches, payloads);
criterion_main!(benches);
