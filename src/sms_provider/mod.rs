//! SMS providers: where codes leave by SMS.

mod transport;

pub use self::transport::{Http, Smpp, Transport, Twilio};
