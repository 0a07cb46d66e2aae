//! Protocol parameters and bounds of an endpoint.

use crate::Duration;

/// Time during which a Message ID may not be reused (RFC 7252 §4.8.2).
pub const EXCHANGE_LIFETIME: Duration = Duration::from_secs(247);

/// Longest datagram that an endpoint writes: a block of 1024 bytes and its options.
pub const MAX_DATAGRAM: usize = 1_408;

/// Parameters and bounds of an [`Endpoint`](crate::Endpoint).
///
/// The defaults are those of RFC 7252 §4.8 and fit a server; [`Config::device`] fits a device.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Config {
    /// ACK_TIMEOUT: time to the first retransmission, before the random factor.
    pub ack_timeout: Duration,
    /// ACK_RANDOM_FACTOR in percent, at least 100.
    pub ack_random_percent: u32,
    /// MAX_RETRANSMIT.
    pub max_retransmit: u8,
    /// NSTART: Confirmable messages in flight to one peer.
    pub nstart: usize,
    /// A request that has no answer after this time gets an empty ACK. Below ACK_TIMEOUT.
    pub ack_delay: Duration,
    /// How long to wait for a separate response after the request was acknowledged or, if it
    /// is Non-confirmable, sent.
    pub response_timeout: Duration,
    /// Preferred block size, 16 to 1024 bytes.
    pub block_size: usize,
    /// Longest body, sent or received, in bytes.
    pub max_body: usize,
    /// Bodies being received at the same time.
    pub max_assemblies: usize,
    /// Requests of this side without a response, over all peers.
    pub max_exchanges: usize,
    /// Confirmable messages that wait for their turn to one peer.
    pub max_queue: usize,
    /// Messages that wait to be handed to the driver and are not Confirmable.
    pub max_out: usize,
    /// Answers above 64 bytes kept for duplicates of requests that are not idempotent.
    pub max_long_answers: usize,
    /// First byte of every token: the shard number of a server.
    pub token_prefix: u8,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            ack_timeout: Duration::from_secs(2),
            ack_random_percent: 150,
            max_retransmit: 4,
            nstart: 1,
            ack_delay: Duration::from_secs(1),
            response_timeout: Duration::from_secs(93),
            block_size: 1024,
            max_body: 64 * 1024,
            max_assemblies: 1_024,
            max_exchanges: 65_536,
            max_queue: 16,
            max_out: 65_536,
            max_long_answers: 1_024,
            token_prefix: 0,
        }
    }
}

impl Config {
    /// Bounds that fit a device with few peers.
    pub fn device() -> Self {
        Self {
            max_body: 16 * 1024,
            max_assemblies: 4,
            max_exchanges: 16,
            max_out: 32,
            max_long_answers: 4,
            ..Self::default()
        }
    }

    /// MAX_TRANSMIT_WAIT: from the first transmission of a Confirmable message to giving up
    /// (RFC 7252 §4.8.2); 93 s with the defaults.
    pub fn max_transmit_wait(&self) -> Duration {
        let doublings = u32::from(self.max_retransmit) + 1;
        let spans = 1u64.checked_shl(doublings).map_or(u64::MAX, |n| n - 1);
        let first = u64::try_from(self.ack_timeout.as_micros()).unwrap_or(u64::MAX);
        let micros = (u128::from(first) * u128::from(spans))
            .saturating_mul(u128::from(self.ack_random_percent))
            / 100;
        Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_give_up_after_93_seconds() {
        assert_eq!(Config::default().max_transmit_wait().as_secs(), 93);
    }

    #[test]
    fn absurd_parameters_saturate() {
        let config = Config {
            ack_timeout: Duration::MAX,
            ack_random_percent: u32::MAX,
            max_retransmit: u8::MAX,
            ..Config::default()
        };
        assert_eq!(config.max_transmit_wait(), Duration::from_micros(u64::MAX));
    }
}
