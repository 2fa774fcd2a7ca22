//! How identity fails. `Display` never repeats a source.

use crate::offer::Ways;
use crate::sealed::SealError;
use kernel_crypto::ca::RefusedCertificate;
use kernel_storage::{CommitError, QueryError, StorageError};

/// Identity could not answer; not a refusal.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    #[error("identity data could not be read")]
    Read(#[from] QueryError),
    #[error("identity data could not be written")]
    Write(#[from] CommitError),
    #[error("the audit record could not be written")]
    Audit(#[from] StorageError),
    #[error("a password could not be hashed or checked")]
    Password(#[from] kernel_crypto::password::PasswordError),
    #[error("no random token could be made")]
    Random(#[from] kernel_crypto::random::EntropyError),
    #[error("a certificate could not be made")]
    Certificate(#[from] kernel_crypto::ca::CaError),
    #[error("a public key could not be written")]
    Key(#[from] kernel_crypto::sm2::Sm2Error),
    #[error("the work was cut short by shutdown")]
    Stopped,
    #[error("the file of demo logins could not be used")]
    DemoFile(#[source] std::io::Error),
    #[error("the demo data is not consistent: {0}")]
    Demo(String),
}

/// Why a sign-in was not granted.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// Unknown user and wrong password look alike.
    #[error("wrong login or password")]
    Refused,
    #[error("too many failures")]
    Locked {
        /// Seconds to wait.
        retry_after: i64,
    },
    /// Too many people sign in at this moment; nothing was counted.
    #[error("too many sign-ins wait")]
    Busy {
        /// Seconds to wait.
        retry_after: i64,
    },
    /// The password was right; the code of the second factor is still to come.
    #[error("a second factor is needed")]
    CodeNeeded {
        /// For [`crate::session::Sessions::login_with`]; to be given back as it is.
        pending: String,
        ways: Ways,
    },
    #[error("wrong code")]
    WrongCode {
        pending: String,
        ways: Ways,
        /// The signature was right, and its certificate is not believed.
        why: Option<RefusedCertificate>,
    },
    /// The code came too long after the password.
    #[error("the sign-in took too long")]
    Late,
    /// Somebody came back from a provider twice with the same.
    #[error("this return was used before")]
    Replayed,
    /// Somebody else is signed in than whose account it is.
    #[error("another person is signed in")]
    Another,
    /// The account is closed.
    #[error("the account is closed")]
    Closed,
    /// The account was not used for longer than the policy allows.
    #[error("the account was unused too long")]
    Stale,
    /// Whoever administers the platform does so from the networks that the policy names.
    #[error("not from this network")]
    Elsewhere,
    /// The password was sealed, and its nonce was used before or could not be taken.
    #[error("the sealed password is not taken")]
    Sealed(#[source] SealError),
    #[error("sign-in failed")]
    Failed(#[from] IdentityError),
}
