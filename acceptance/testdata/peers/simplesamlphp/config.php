<?php
// SimpleSAMLphp as an identity provider on loopback. The test gives its values by environment:
// PEER_BASE is the origin that people see, PEER_DIR the folder of this run.
$config = [
    'baseurlpath' => getenv('PEER_BASE') . '/',
    'certdir' => getenv('PEER_DIR') . '/',
    'loggingdir' => getenv('PEER_DIR') . '/',
    'datadir' => getenv('PEER_DIR') . '/',
    'tempdir' => getenv('PEER_DIR') . '/tmp',
    'logging.handler' => 'errorlog',
    'logging.format' => '%level %msg',
    'logging.level' => SimpleSAML\Logger::NOTICE,
    'secretsalt' => getenv('PEER_SALT'),
    'auth.adminpassword' => getenv('PEER_SALT'),
    'timezone' => 'UTC',
    'showerrors' => true,
    'errorreporting' => false,
    'enable.saml20-idp' => true,
    'module.enable' => ['exampleauth' => true],
    'store.type' => 'phpsession',
    'session.phpsession.savepath' => getenv('PEER_DIR') . '/sessions',
    'session.phpsession.httponly' => true,
    'session.cookie.secure' => false,
    'language.default' => 'en',
    'theme.use' => 'default',
    'metadatadir' => __DIR__ . '/metadata',
    'metadata.sources' => [['type' => 'flatfile']],
];
