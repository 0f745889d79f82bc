//! What `/etc` holds inside: a few written files, and a list of harmless parts of the host's.
//!
//! Deliberately a list of what is shown, not of what is hidden: passwords, keys and credentials
//! of tools live in `/etc` under names nobody can list completely.

/// Files written for the sandbox; the program has one user, one host and no resolver.
pub(super) const WRITTEN: [(&str, &str); 5] = [
    (
        "/etc/passwd",
        "root:x:0:0:root:/:/usr/sbin/nologin\n\
         palisade:x:1000:1000:sandbox:/home/palisade:/bin/sh\n\
         nobody:x:65534:65534:outside:/:/usr/sbin/nologin\n",
    ),
    ("/etc/group", "root:x:0:\npalisade:x:1000:\nnogroup:x:65534:\n"),
    ("/etc/hosts", "127.0.0.1 localhost palisade\n::1 localhost palisade\n"),
    ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n"),
    ("/etc/resolv.conf", ""),
];

/// Parts of the host's `/etc` shown read-only where they exist, each with the reason. Every entry
/// costs about 20 µs per launch, so what only matters to people at a terminal is left out.
pub(crate) const SHOWN: [(&str, &str); 13] = [
    ("/etc/alternatives", "commands under /usr/bin are links through it"),
    ("/etc/fonts", "font lookup of document tools"),
    ("/etc/ld.so.cache", "the dynamic linker finds libraries by it"),
    ("/etc/ld.so.conf", "library folders, for linking"),
    ("/etc/ld.so.conf.d", "library folders, for linking"),
    ("/etc/localtime", "time zone"),
    ("/etc/mime.types", "file type lookup"),
    ("/etc/os-release", "build scripts ask for it"),
    ("/etc/pki/ca-trust", "certificate bundle of Fedora and its relatives"),
    ("/etc/pki/tls/certs", "certificate bundle of Fedora and its relatives"),
    ("/etc/services", "service names"),
    ("/etc/ssl/certs", "certificate bundle; the private folder beside it stays out"),
    ("/etc/ssl/openssl.cnf", "library settings"),
];
