//! Which signatures are taken, and what they cover.
//!
//! bergshamra compares digests and signature values. What a signature may look like, where it may stand and what it may
//! refer to is decided here first, by lists: it stands directly in the element that it signs, and signs that element and
//! nothing else. The key comes from the provider's certificates through the door that is meant for hardware keys, because
//! there `KeyInfo` is not read at all, and an algorithm other than the one that was looked at here is refused.

use bergshamra_dsig::verify::verify_all_document_with_source;
use bergshamra_dsig::{DsigContext, VerifyResult};
use bergshamra_keys::KeysManager;
use kryptering::{HashAlgorithm, KeyAlgorithm, SignatureAlgorithm, SoftwareKey, SoftwareVerifier};
use uppsala::{Document, NodeId};

use super::xml::{Element, ns};
use super::{Provider, Refusal};

const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";

/// The canonicalisations that are taken. Comments are refused before, so that those with and without them are the same.
const CANONICAL: &[&str] = &[
    EXCLUSIVE,
    "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315#WithComments",
];

const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";

const DIGESTS: &[&str] = &[
    "http://www.w3.org/2001/04/xmlenc#sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512",
];

const SHA1_DIGEST: &str = "http://www.w3.org/2000/09/xmldsig#sha1";

/// Names of SHA-1 that are never taken, told apart from names that nobody knows.
const OTHER_SHA1: &[&str] = &[
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha1",
    "http://www.w3.org/2000/09/xmldsig#dsa-sha1",
];

const RSA_SHA1: &str = "http://www.w3.org/2000/09/xmldsig#rsa-sha1";

/// What our requests are signed with.
pub(super) const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";

/// What a name of an algorithm asks of a key.
#[derive(Clone, Copy)]
enum Method {
    Rsa(HashAlgorithm),
    Ecdsa(HashAlgorithm),
}

fn method(uri: &str, sha1: bool) -> Result<Method, Refusal> {
    use HashAlgorithm::{Sha1, Sha256, Sha384, Sha512};
    if uri == RSA_SHA1 && sha1 {
        return Ok(Method::Rsa(Sha1));
    }
    if uri == RSA_SHA1 || OTHER_SHA1.contains(&uri) {
        return Err(Refusal::Sha1);
    }
    let name = uri.strip_prefix("http://www.w3.org/2001/04/xmldsig-more#");
    Ok(match name {
        Some("rsa-sha256") => Method::Rsa(Sha256),
        Some("rsa-sha384") => Method::Rsa(Sha384),
        Some("rsa-sha512") => Method::Rsa(Sha512),
        Some("ecdsa-sha256") => Method::Ecdsa(Sha256),
        Some("ecdsa-sha384") => Method::Ecdsa(Sha384),
        Some("ecdsa-sha512") => Method::Ecdsa(Sha512),
        _ => return Err(Refusal::Algorithm),
    })
}

/// A signature whose shape was looked at: where it stands, and how it signs.
pub(super) struct Seen<'d> {
    node: NodeId,
    target: Element<'d>,
    method: Method,
}

/// The signatures of a document, each of which stands in one of `places`.
///
/// # Errors
/// One stands elsewhere, or has a shape that is not taken.
pub(super) fn look<'d>(
    root: Element<'d>,
    places: &[Element<'d>],
    sha1: bool,
) -> Result<Vec<Seen<'d>>, Refusal> {
    let mut seen: Vec<Seen<'d>> = Vec::new();
    for signature in root.all() {
        if !signature.is(ns::DSIG, "Signature") {
            continue;
        }
        let target = signature.parent().ok_or(Refusal::Misplaced)?;
        if !places.contains(&target) || seen.iter().any(|other| other.target == target) {
            return Err(Refusal::Misplaced);
        }
        let method = shape(signature, target, sha1)?;
        seen.push(Seen {
            node: signature.id,
            target,
            method,
        });
    }
    Ok(seen)
}

/// Whether a signature has exactly the parts that it must have.
fn shape(signature: Element<'_>, target: Element<'_>, sha1: bool) -> Result<Method, Refusal> {
    let parts = exactly(signature, &["SignedInfo", "SignatureValue"], &["KeyInfo"])?;
    let info = parts[0];
    if info
        .all()
        .iter()
        .any(|part| part.attributes().any(|(prefixed, ..)| prefixed))
    {
        return Err(Refusal::Shape);
    }
    text_only(parts[1])?;
    // A second reference is a part too many.
    let parts = exactly(
        info,
        &["CanonicalizationMethod", "SignatureMethod", "Reference"],
        &[],
    )?;
    canonical(parts[0]).map_err(|why| {
        if why == Refusal::Transform {
            Refusal::Algorithm
        } else {
            why
        }
    })?;
    let name = parts[1].attribute("Algorithm").ok_or(Refusal::Shape)?;
    let method = method(name, sha1)?;
    if parts[1].children().next().is_some() {
        return Err(Refusal::Shape);
    }
    reference(parts[2], target, sha1)?;
    Ok(method)
}

fn reference(reference: Element<'_>, target: Element<'_>, sha1: bool) -> Result<(), Refusal> {
    let id = target.attribute("ID").filter(|id| plain(id));
    let uri = reference
        .attribute("URI")
        .and_then(|uri| uri.strip_prefix('#'));
    if uri.is_none() || uri != id {
        return Err(Refusal::Reference);
    }
    let parts = exactly(
        reference,
        &["Transforms", "DigestMethod", "DigestValue"],
        &[],
    )?;
    let transforms: Vec<_> = parts[0].children().collect();
    if transforms.iter().any(|one| !one.is(ns::DSIG, "Transform")) {
        return Err(Refusal::Transform);
    }
    match transforms[..] {
        [enveloped] => bare(enveloped)?,
        [enveloped, last] => {
            bare(enveloped)?;
            canonical(last)?;
        }
        _ => return Err(Refusal::Transform),
    }
    let digest = parts[1].attribute("Algorithm").ok_or(Refusal::Shape)?;
    if digest == SHA1_DIGEST {
        if !sha1 {
            return Err(Refusal::Sha1);
        }
    } else if !DIGESTS.contains(&digest) {
        return Err(Refusal::Algorithm);
    }
    if parts[1].children().next().is_some() {
        return Err(Refusal::Shape);
    }
    text_only(parts[2])
}

/// Whether an id is nothing that a reference could read as an expression.
fn plain(id: &str) -> bool {
    !id.is_empty()
        && id
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.'))
}

/// The transform that takes the signature out of what it signs.
fn bare(transform: Element<'_>) -> Result<(), Refusal> {
    let is = transform.attribute("Algorithm") == Some(ENVELOPED);
    if is && transform.children().next().is_none() {
        Ok(())
    } else {
        Err(Refusal::Transform)
    }
}

/// A canonicalisation; prefixes that it is to keep may stand in it.
fn canonical(method: Element<'_>) -> Result<(), Refusal> {
    let name = method.attribute("Algorithm").ok_or(Refusal::Shape)?;
    if !CANONICAL.contains(&name) {
        return Err(Refusal::Transform);
    }
    let mut children = method.children();
    match (children.next(), children.next()) {
        (None, _) => Ok(()),
        (Some(one), None)
            if one.is(EXCLUSIVE, "InclusiveNamespaces") && one.children().next().is_none() =>
        {
            Ok(())
        }
        _ => Err(Refusal::Transform),
    }
}

fn text_only(element: Element<'_>) -> Result<(), Refusal> {
    element.text().map(|_| ()).ok_or(Refusal::Shape)
}

/// The children of a part of a signature: `must` in their order, then any of `may`, once each.
fn exactly<'d>(
    element: Element<'d>,
    must: &[&str],
    may: &[&str],
) -> Result<Vec<Element<'d>>, Refusal> {
    let children: Vec<_> = element.children().collect();
    let names = must.iter().chain(may);
    let fits = children.len() >= must.len()
        && children.len() <= must.len() + may.len()
        && children
            .iter()
            .zip(names)
            .all(|(child, name)| child.is(ns::DSIG, name));
    if fits {
        Ok(children)
    } else {
        Err(Refusal::Shape)
    }
}

/// Whether every one of `seen` is by a certificate of the provider, over exactly the element that it stands in.
///
/// # Errors
/// One is not, or the provider has no certificate.
pub(super) fn check(
    document: &Document<'_>,
    text: &str,
    seen: &[Seen<'_>],
    provider: &Provider,
) -> Result<(), Refusal> {
    if seen.is_empty() {
        return Ok(());
    }
    let keys: Vec<_> = provider
        .certificates
        .iter()
        .filter_map(|certificate| certificate.key().ok())
        .collect();
    if keys.is_empty() {
        return Err(Refusal::Certificates);
    }
    for one in seen {
        if !keys.iter().any(|key| is_by(document, text, one, key)) {
            return Err(Refusal::Signature);
        }
    }
    Ok(())
}

fn is_by(document: &Document<'_>, text: &str, seen: &Seen<'_>, key: &SoftwareKey) -> bool {
    let algorithm = match (seen.method, key.algorithm()) {
        (Method::Rsa(hash), KeyAlgorithm::Rsa) => SignatureAlgorithm::RsaPkcs1v15(hash),
        (Method::Ecdsa(hash), KeyAlgorithm::Ec(curve)) => SignatureAlgorithm::Ecdsa(curve, hash),
        _ => return false,
    };
    let Ok(verifier) = SoftwareVerifier::new(algorithm, key.clone()) else {
        return false;
    };
    let context = DsigContext::new(KeysManager::new()).with_hsm_verifier(Box::new(verifier));
    // There are two signatures at the most: others were refused when they were looked at.
    let Ok(results) = verify_all_document_with_source(&context, document, Some(text)) else {
        return false;
    };
    results.iter().any(|result| match result {
        VerifyResult::Valid {
            signature_node,
            references,
            ..
        } => {
            *signature_node == seen.node
                && matches!(&references[..], [one] if one.digest_verified
                    && one.resolved_node == Some(seen.target.id))
        }
        VerifyResult::Invalid { .. } => false,
    })
}

impl Seen<'_> {
    /// Whether it stands in this element, and signs it.
    pub(super) fn is_in(&self, element: Element<'_>) -> bool {
        self.target.id == element.id
    }
}
