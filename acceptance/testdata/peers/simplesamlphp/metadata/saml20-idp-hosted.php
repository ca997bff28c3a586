<?php
// The subject is a persistent NameID with both qualifiers, made from uid; attributes go by plain names.
$metadata[getenv('PEER_BASE') . '/idp'] = [
    'host' => '__DEFAULT__',
    'privatekey' => 'idp.key',
    'certificate' => 'idp.crt',
    'auth' => 'people',
    'NameIDFormat' => 'urn:oasis:names:tc:SAML:2.0:nameid-format:persistent',
    'attributes.NameFormat' => 'urn:oasis:names:tc:SAML:2.0:attrname-format:basic',
    'authproc' => [
        10 => ['class' => 'saml:PersistentNameID', 'attribute' => 'uid', 'NameQualifier' => true],
    ],
];
// A key that is announced: it stands in the metadata beside the one that signs.
if (file_exists(getenv('PEER_DIR') . '/next.crt')) {
    $metadata[getenv('PEER_BASE') . '/idp'] += ['new_privatekey' => 'next.key', 'new_certificate' => 'next.crt'];
}
