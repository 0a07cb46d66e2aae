//! Symbols of units that SenML knows (RFC 8428 §12.1, RFC 8798, and what IANA's registries got
//! since).

/// The two registries of symbols, sorted.
const KNOWN: [&str; 98] = [
    "%EL", "%RH", "/", "/100", "/1000", "1/s", "A", "Ah", "B", "B/s", "Bq", "C", "Cel", "EL", "F",
    "GB", "Gy", "H", "Hz", "J", "J/m", "K", "KiB", "MB/s", "MHz", "Mbit/s", "N", "NTU", "Ohm",
    "Pa", "S", "S/m", "Sv", "T", "V", "VA", "VAh", "VAs", "W", "W/m2", "Wb", "Wh", "Wh/km", "Ws",
    "bit", "bit/s", "cd", "cd/m2", "cm", "count", "dB", "dBW", "dBm", "g/l", "h", "hPa", "kVA",
    "kVAh", "kW", "kWh", "kat", "kg", "kg/m3", "km", "km/h", "kvar", "kvarh", "lat", "lm", "lon",
    "lx", "m", "m/h", "m/s", "m/s2", "m2", "m3", "m3/s", "mA", "mV", "mg/l", "min", "mm", "mm/h",
    "mol", "ms", "pH", "ppb", "ppm", "ppt", "rad", "s", "sr", "ug/l", "ug/m3", "var", "varh",
    "vars",
];

/// Symbols that the registry lists and advises against, sorted, and what to take in their place.
const DISCOURAGED: [(&str, &str); 9] = [
    ("%", "/100"),
    ("1/min", "1/s"),
    ("Bspl", "dB"),
    ("beat/min", "1/s"),
    ("beats", "count"),
    ("deg", "rad"),
    ("g", "kg"),
    ("l", "m3"),
    ("l/s", "m3/s"),
];

/// True for a symbol of the registries, discouraged ones included.
pub(super) fn is_known(symbol: &str) -> bool {
    KNOWN.binary_search(&symbol).is_ok() || instead(symbol).is_some()
}

/// What to take in place of a symbol that the registry advises against.
pub(super) fn instead(symbol: &str) -> Option<&'static str> {
    let index = DISCOURAGED
        .binary_search_by_key(&symbol, |(symbol, _)| symbol)
        .ok()?;
    DISCOURAGED.get(index).map(|(_, instead)| *instead)
}

/// The symbol that was probably meant.
pub(super) fn meant(symbol: &str) -> Option<&'static str> {
    Some(match symbol {
        "KB" | "kB" | "Kb" => "KiB",
        "°C" | "degC" | "Celsius" | "celsius" => "Cel",
        "sec" | "seconds" | "Seconds" | "second" => "s",
        "minutes" | "Minutes" => "min",
        "hours" | "Hours" | "hour" => "h",
        "bytes" | "Bytes" => "B",
        "percent" => "/100",
        "ohm" | "Ω" => "Ohm",
        "lux" => "lx",
        "meter" | "meters" | "Meters" => "m",
        _ => {
            let same = KNOWN
                .iter()
                .find(|known| known.eq_ignore_ascii_case(symbol));
            return same.copied();
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_are_sorted_and_don_t_overlap() {
        assert!(KNOWN.is_sorted() && DISCOURAGED.is_sorted());
        assert!(
            DISCOURAGED
                .iter()
                .all(|(symbol, instead)| !KNOWN.contains(symbol) && KNOWN.contains(instead))
        );
    }

    #[test]
    fn what_was_meant_is_found() {
        assert_eq!(meant("KB"), Some("KiB"));
        assert_eq!(meant("CEL"), Some("Cel"));
        assert_eq!(meant("furlong"), None);
        assert!(is_known("vars") && is_known("deg") && !is_known("KB"));
    }
}
