<?php
// The one service provider: sp.xml, its own metadata, read by SimpleSAMLphp at each request; options.json
// of this run, as {"saml20.sign.assertion": true}, wins over it.
$metadata = [];
foreach (SimpleSAML\Metadata\SAMLParser::parseDescriptorsFile(getenv('PEER_DIR') . '/sp.xml') as $entityId => $sp) {
    $options = json_decode(file_get_contents(getenv('PEER_DIR') . '/options.json'), true);
    $metadata[$entityId] = array_merge($sp->getMetadata20SP(), $options);
}
