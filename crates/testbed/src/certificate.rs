//! Certificates for servers on loopback.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose,
};
use rustls::{
    RootCertStore,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, pem::PemObject},
};

/// A server certificate for 127.0.0.1 and localhost, signed by an authority that exists for it alone.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// PEM of the authority: what a client trusts.
    pub authority: PathBuf,
    /// PEM of the server's certificate.
    pub chain: PathBuf,
    /// PEM of the server's private key.
    pub key: PathBuf,
}

impl Certificate {
    /// Makes the three files in `dir`, as `<name>-ca.pem`, `<name>.pem` and `<name>.key`.
    ///
    /// # Errors
    /// When keys cannot be made or files not written.
    pub fn write(dir: &Path, name: &str) -> Result<Self> {
        let mut authority = CertificateParams::default();
        // A name of its own for each: clients look authorities up by name.
        authority
            .distinguished_name
            .push(DnType::CommonName, format!("stackgate testbed {name} {}", dir.display()));
        authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        authority.key_usages = vec![KeyUsagePurpose::KeyCertSign];
        let authority_key = KeyPair::generate().context("making a key")?;
        let trusted = authority.self_signed(&authority_key).context("making an authority")?;
        let issuer = Issuer::new(authority, authority_key);

        let names = ["localhost".to_owned(), "127.0.0.1".to_owned()];
        let mut server = CertificateParams::new(names).context("naming the server")?;
        server.distinguished_name.push(DnType::CommonName, name);
        server.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        server.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        server.use_authority_key_identifier_extension = true;
        let key = KeyPair::generate().context("making a key")?;
        let signed = server.signed_by(&key, &issuer).context("signing the certificate")?;

        let made = Self {
            authority: dir.join(format!("{name}-ca.pem")),
            chain: dir.join(format!("{name}.pem")),
            key: dir.join(format!("{name}.key")),
        };
        write(&made.authority, &trusted.pem())?;
        write(&made.chain, &signed.pem())?;
        write(&made.key, &key.serialize_pem())?;
        Ok(made)
    }
}

/// Writes a small text file, with a message that names it when that fails.
pub(crate) fn write(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("writing {}", path.display()))
}

/// The cryptography of all TLS here, named instead of taken from a process-wide default.
pub(crate) fn provider() -> Arc<CryptoProvider> {
    Arc::new(aws_lc_rs::default_provider())
}

/// A client's TLS settings that trust the certificates of one PEM file and nothing else.
pub(crate) fn client_trusting(pem: &Path) -> Result<rustls::ClientConfig> {
    let mut roots = RootCertStore::empty();
    let found = CertificateDer::pem_file_iter(pem).with_context(|| format!("reading {}", pem.display()))?;
    for certificate in found {
        let certificate = certificate.with_context(|| format!("reading {}", pem.display()))?;
        roots.add(certificate).with_context(|| format!("trusting {}", pem.display()))?;
    }
    Ok(rustls::ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .context("choosing TLS versions")?
        .with_root_certificates(roots)
        .with_no_client_auth())
}
