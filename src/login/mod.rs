//! Logging in: the decision, the facts it is made on, the second factor, and running it all.

pub(crate) mod crowd;
pub mod decide;
pub mod explain;
pub mod facts;
pub mod first;
#[cfg(test)]
mod indexed;
#[cfg(feature = "saml")]
mod provision;
#[cfg(test)]
pub(crate) mod random;
pub mod recover;
#[cfg(feature = "saml")]
pub mod redirected;
pub mod renew;
pub mod retry;
pub mod run;
pub mod second;
#[cfg(feature = "saml")]
pub mod sso;
pub(crate) mod trail;
pub(crate) mod tries;
pub mod verdict;
