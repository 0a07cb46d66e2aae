//! Which options a message may carry (RFC 7252 §5.4).

use lwm2m_codec::coap::{Block, Message, OptionNumber};

/// RFC 7252 §5.4.1, §5.4.3, §5.4.5: critical options that are unknown, malformed or repeated.
pub(super) fn has_unknown_critical(message: &Message<'_>, known: fn(OptionNumber) -> bool) -> bool {
    let mut last = None;
    message.options().any(|option| {
        let number = option.number;
        let repeated = last == Some(number) && !number.is_repeatable();
        last = Some(number);
        let fits = number
            .length_range()
            .is_some_and(|(min, max)| (min..=max).contains(&option.value.len()));
        let block = matches!(number, OptionNumber::BLOCK1 | OptionNumber::BLOCK2);
        let malformed = block && Block::parse(option.value).is_none();
        number.is_critical() && (!known(number) || !fits || repeated || malformed)
    })
}

pub(super) fn is_request_option(number: OptionNumber) -> bool {
    matches!(
        number,
        OptionNumber::URI_HOST
            | OptionNumber::URI_PORT
            | OptionNumber::URI_PATH
            | OptionNumber::URI_QUERY
            | OptionNumber::ACCEPT
            | OptionNumber::BLOCK1
            | OptionNumber::BLOCK2
    )
}

pub(super) fn is_response_option(number: OptionNumber) -> bool {
    matches!(number, OptionNumber::BLOCK1 | OptionNumber::BLOCK2)
}

/// Observe; `None` if absent or longer than 3 bytes, which counts as unknown (RFC 7252 §5.4.3).
pub(super) fn observe(message: &Message<'_>) -> Option<u32> {
    let option = message.option(OptionNumber::OBSERVE)?;
    option.as_uint().filter(|_| option.value.len() <= 3)
}
