//! SMS providers: where codes leave by SMS.

#[cfg_attr(
    not(test),
    expect(dead_code, reason = "called once the noun and its delivery are there")
)]
pub(crate) mod http;
mod transport;

pub use self::transport::{Http, Smpp, Transport, Twilio};
