//! Ephemeral key agreement on the SM2 curve.

use ::sm2::elliptic_curve::Generate as _;
use ::sm2::elliptic_curve::point::AffineCoordinates as _;
use ::sm2::elliptic_curve::sec1::ToSec1Point as _;
use ::sm2::{PublicKey, SecretKey};
use rustls::crypto::{ActiveKeyExchange, SharedSecret, SupportedKxGroup};
use rustls::ffdhe_groups::FfdheGroup;
use rustls::{Error, NamedGroup, PeerMisbehaved};

use super::CURVE_SM2;
use crate::random;

/// Bytes of an uncompressed point: `04 ‖ x ‖ y`.
const POINT: usize = 65;
const UNCOMPRESSED: u8 = 4;

#[derive(Debug)]
pub(super) struct CurveSm2;

impl SupportedKxGroup for CurveSm2 {
    fn start(&self) -> Result<Box<dyn ActiveKeyExchange>, Error> {
        let secret = SecretKey::try_generate_from_rng(&mut random::generator())
            .map_err(|_| Error::FailedToGetRandomBytes)?;
        let public = secret.public_key().to_sec1_point(false);
        Ok(Box::new(Exchange {
            public: public.as_bytes().to_vec(),
            secret,
        }))
    }
    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }
    fn name(&self) -> NamedGroup {
        CURVE_SM2
    }
}

/// The secret is used once and wiped when dropped.
struct Exchange {
    secret: SecretKey,
    public: Vec<u8>,
}

impl ActiveKeyExchange for Exchange {
    fn complete(self: Box<Self>, peer: &[u8]) -> Result<SharedSecret, Error> {
        let refused = || Error::from(PeerMisbehaved::InvalidKeyShare);
        if peer.len() != POINT || peer.first() != Some(&UNCOMPRESSED) {
            return Err(refused());
        }
        // Reading refuses points that are not on the curve.
        let peer = PublicKey::from_sec1_bytes(peer).map_err(|_| refused())?;
        // Neither factor is zero and the group has prime order, so the product is a point.
        let shared = peer.to_projective() * *self.secret.to_nonzero_scalar();
        Ok(SharedSecret::from(shared.to_affine().x().as_slice()))
    }
    fn ffdhe_group(&self) -> Option<FfdheGroup<'static>> {
        None
    }
    fn pub_key(&self) -> &[u8] {
        &self.public
    }
    fn group(&self) -> NamedGroup {
        CURVE_SM2
    }
}
