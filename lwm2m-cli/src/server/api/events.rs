//! `/api/event`: what happens, as server-sent events.

use std::{convert::Infallible, sync::Arc};

use axum::{
    extract::{RawQuery, State},
    response::{
        IntoResponse, Response,
        sse::{Event, KeepAlive, Sse},
    },
};
use futures_util::stream;
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::{super::feed::Message, Api, error::ApiError, query::Query};

/// Streams all events, or with `?ep=` those of one device.
pub(crate) async fn stream(
    State(api): State<Arc<Api>>,
    RawQuery(query): RawQuery,
) -> Result<Response, ApiError> {
    sse(api.feed.listen(), query.as_deref())
}

/// Streams what a receiver gets, or with `ep=` in the query those of one device.
pub(crate) fn sse(
    receiver: Receiver<Arc<Message>>,
    query: Option<&str>,
) -> Result<Response, ApiError> {
    let query = Query::parse(query.unwrap_or_default())?;
    let endpoint = query.value("ep").map(str::to_owned);
    let messages = stream::unfold((receiver, endpoint), async |mut state| {
        let event = next(&mut state.0, state.1.as_deref()).await?;
        Some((Ok::<Event, Infallible>(event), state))
    });
    // The first bytes say that from now on nothing is missed.
    let hello = stream::iter([Ok(Event::default().comment("listening"))]);
    let events = stream::StreamExt::chain(hello, messages);
    let sse = Sse::new(events).keep_alive(KeepAlive::default());
    Ok(sse.into_response())
}

async fn next(messages: &mut Receiver<Arc<Message>>, endpoint: Option<&str>) -> Option<Event> {
    loop {
        let message = match messages.recv().await {
            Ok(message) => message,
            Err(RecvError::Lagged(count)) => {
                let comment = format!("{count} events are lost: they came too fast");
                return Some(Event::default().comment(comment));
            }
            Err(RecvError::Closed) => return None,
        };
        if endpoint.is_none_or(|endpoint| *endpoint == message.endpoint) {
            return Some(Event::default().event(message.name).data(&message.data));
        }
    }
}
