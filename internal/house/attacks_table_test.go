package house

// Folders of the tables about single sign-on.
const (
	lib       = "saml "
	dsig      = "saml/internal/dsig "
	strict    = "saml/internal/strictxml "
	xenc      = "saml/internal/xenc "
	party     = "internal/relyingparty "
	provide   = "internal/provider "
	outside   = "internal/outbound "
	noun      = "internal/directory "
	secrets   = "internal/keys "
	house     = "internal/house "
	wrapped   = lib + "TestWrapping_IsRefusedWhateverIsSigned "
	tricks    = lib + "TestXMLTricks_AreRefused "
	live      = lib + "TestTricksThatLeaveTheSignatureGood_AreRefused "
	forms     = lib + "TestSignatureForms_OtherThanOneAreRefused "
	uniform   = signin + "TestUnprovenAnswers_CannotBeToldApart "
	noCall    = signin + "TestNoAnswer_MakesUsCallAnybody"
	faults    = story + "TestStory_signing_in each_fault_is_refused_with_its_cause"
	strangers = story + "TestStory_signing_in neighbours_are_strangers"
	twice     = story + "TestStory_one_answer_posted_fifty_times_at_two_servers_signs_in_once"
)

// attacks is the catalogue, kept by hand: whoever renames a test changes its name here.
var attacks = []shown{
	{"A1", "signature wrapping 1: the signed Response inside its own Signature", []string{wrapped + "XSW1", uniform + "A1"}},
	{"A2", "signature wrapping 2: the same before the Signature", []string{wrapped + "XSW2", uniform + "A2"}},
	{"A3", "signature wrapping 3: an unsigned Assertion before or after the signed one (authentik CVE-2026-25922, Spring CVE-2020-5407)", []string{wrapped + "XSW3", lib + "TestWrapping_AroundEncryptedAssertionsIsRefused", uniform + "A3", faults}},
	{"A4", "signature wrapping 4: an Assertion around the signed one", []string{wrapped + "XSW4", uniform + "A4", faults}},
	{"A5", "signature wrapping 5: the Signature kept, what it signed appended", []string{wrapped + "XSW5", uniform + "A5"}},
	{"A6", "signature wrapping 6: what was signed inside the Signature", []string{wrapped + "XSW6", uniform + "A6"}},
	{"A7", "signature wrapping 7: an Assertion in Extensions, with the same ID and with another", []string{wrapped + "XSW7", lib + "TestWrapping_WithEqualIDsIsRefused", uniform + "A7"}},
	{"A8", "signature wrapping 8: what was signed in an Object", []string{wrapped + "XSW8", dsig + "TestVerify_RefusesOtherSignaturesThanSAMLs", uniform + "A8"}},
	{"A9", "signatures found by a search of the document (ruby-saml CVE-2024-45409, GHES CVE-2024-6800, samlify CVE-2025-47949)", []string{wrapped + "A9", dsig + "TestVerify_IsNotWrapped", dsig + "TestVerify_RefusesWhatWasChangedLater", live + "A9"}},
	{"A10", "another copy is read than the one that was verified (node-saml CVE-2025-54369)", []string{lib + "TestAssertion_IsReadFromTheVerifiedElementAndNoOtherCopy", lib + "TestCoveredBy_GivesOnlyTheOneAssertionThatIsVerified", dsig + "TestVerified_IsMadeByVerifyOnly", lib + "TestOneByteFlipped_NeverChangesWhatIsSaid", lib + "FuzzVerify"}},
	{"A11", "an assertion that a stranger encrypted for us (Keycloak CVE-2026-2092)", []string{lib + "TestEncryptedAssertions_OfStrangersAreRefused", lib + "TestEncryptedAssertion_IsRefusedAsSuch", lib + "TestEncryptedAssertions_AreCoveredByAnySignatureThatTheOthersAre", signin + "TestSAML_AnEncryptedAssertionIsOpenedByTheKeysOfItsConnectionAlone"}},
	{"A12", "no signature, no key, keys without use (SolarWinds CVE-2026-28323, Keycloak CVE-2026-16443)", []string{lib + "TestSignatures_CannotBeLeftOut", lib + "TestEmptyExpectations_AcceptNothing", lib + "TestParseMetadata_ReadsSigningKeys", lib + "TestCheck_SaysWhatIsMissing", setting + "TestConnection_ItsMistakesAreNamed", faults}},
	{"A13", "a comment cuts a name short (CVE-2017-11427 and its family, authentik CVE-2026-57580)", []string{live + "A13", tricks + "A13", uniform + "comment", faults}},
	{"A14", "a comment lengthens a name", []string{live + "A14", tricks + "A14"}},
	{"A15", "a processing instruction in a name (xml-crypto, OneUptime)", []string{live + "A15", tricks + "A15", uniform + "processing_instruction"}},
	{"A16", "two parsers read differently: document type, namespaces (ruby-saml CVE-2025-25291, -25292)", []string{live + "A16", tricks + "A16", strict + "TestParse_RefusesWhatSAMLDoesNotNeed", lib + "TestImports_AreTheStandardLibraryWithoutEncodingXML", lib + "TestOracles_AgreeOnWhatIsAccepted"}},
	{"A17", "canonicalisation that gives nothing (ruby-saml CVE-2025-66568, Nokogiri)", []string{tricks + "A17", lib + "TestDigestOfNothing_IsRefused", dsig + "TestVerify_RefusesOtherSignaturesThanSAMLs A17", strict + "TestAppendCanonical_AgreesWithXmlsec1"}},
	{"A18", "another attribute is taken for the ID", []string{tricks + "A18", live + "A18", dsig + "TestVerify_RefusesWhatWasChangedLater A18"}},
	{"A19", "one ID on two elements", []string{lib + "TestWrapping_WithEqualIDsIsRefused", strict + "TestParse_RefusesWhatSAMLDoesNotNeed"}},
	{"A20", "a document type makes an attribute an ID", []string{tricks + "A20", live + "A20", noCall}},
	{"A21", "names that change when they are written again (CVE-2020-29509, -29510, -29511)", []string{tricks + "A21", strict + "TestAppendCanonical_IsItsOwnCanonicalForm", strict + "TestEscaping_SurvivesReading", lib + "TestImports_AreTheStandardLibraryWithoutEncodingXML"}},
	{"A22", "two References, the first to something else (goxmldsig CVE-2026-33487)", []string{forms + "A22", dsig + "TestVerify_RefusesOtherSignaturesThanSAMLs A22"}},
	{"A23", "two SignedInfo, two SignatureValue, a comment in DigestValue (xml-crypto CVE-2025-29774, -29775)", []string{forms + "A23", dsig + "TestVerify_RefusesOtherSignaturesThanSAMLs A23"}},
	{"A24", "external entities and entities of entities", []string{tricks + "A24", live + "A24", lib + "TestFloods_AreRefusedAtSmallCost", signin + "TestGarbage_CostsLittleMemory", noCall}},
	{"A25", "deep, wide, many attributes, many namespaces (Go CVE-2022-28131, CVE-2022-30633)", []string{lib + "TestFloods_AreRefusedAtSmallCost", strict + "TestParse_RefusesFloodsCheaply", strict + "TestParse_StopsReadingFloodsAtItsLimits", lib + "TestManyDeclarations_CostNoMoreThanTheirSize", signin + "TestGarbage_CostsLittleMemory", lib + "BenchmarkFloods"}},
	{"A26", "1,200 attributes with a bogus signature; 2,000 groups with a good one", []string{lib + "TestFloods_AreRefusedAtSmallCost A26", lib + "TestManyGroups_AreAllRead", rule + "TestTwoThousandGroups_AreHeardAndShown"}},
	{"A27", "compressed bombs (CVE-2023-26483, CVE-2023-28119, CVE-2025-25293)", []string{lib + "TestDecodeRedirect_IsBounded", lib + "TestDecodePost_InflatesNothing", lib + "TestDecodePost_IsBounded", signin + "TestPosts_TooLargeOrNotAForm_AreRefusedAndRecorded", signin + "TestSingleLogout_WhatIsNotTheIdPsWordIsRefusedAndEndsNothing a bomb"}},
	{"A28", "the key comes along in the message (CVE-2023-48703), with a certificate that looks like the right one", []string{lib + "TestKeyInfo_IsNeverASourceOfTrust", dsig + "TestVerify_KeysMustFit A28", uniform + "unknown_key", faults}},
	{"A29", "HMAC with the public key as the secret (xml-crypto GHSA-c27r-x354-4m68)", []string{lib + "TestAlgorithms_OffTheListAreRefused hmac", dsig + "TestVerify_KeysMustFit A29"}},
	{"A30", "weaker algorithms and keys, forged padding (Bleichenbacher 2006)", []string{lib + "TestAlgorithms_OffTheListAreRefused", lib + "TestCubeRoots_AreNoSignatures", dsig + "TestVerify_KeysMustFit", dsig + "TestVerify_AllowsSHA1OnlyWhenToldTo", dsig + "TestVerify_TakesNoOtherFormOfAnEllipticSignature", signin + "TestSAML_SHA1CountsUntilTheDayOfItsGraceAndIsNoted"}},
	{"A31", "transforms and References that reach out", []string{forms + "A31", dsig + "TestVerify_RefusesOtherSignaturesThanSAMLs A31", noCall, signin + "TestArtifact_AServiceThatDoesNotAnswerIsNotFollowedElsewhere", signin + "TestSingleLogout_UnprovenMessagesCannotBeToldApartAndMakeUsCallNobody"}},
	{"A32", "padding oracles of AES-CBC and RSA 1.5; ciphertexts of odd lengths (GO-2026-4760)", []string{lib + "TestDecryption_FailsInOneWayWhateverIsWrong", xenc + "TestOpen_TakesAsLongWhateverIsWrong", lib + "TestCBC_IsReadInSignedResponsesOnlyAndWhenAllowed", lib + "TestEncryption_OffTheListIsRefused", signin + "TestEncryptedAnswers_ThatDoNotOpenCannotBeToldApart"}},
	{"A33", "AES-GCM with short tags and nonces (xmlseclibs CVE-2026-32313)", []string{lib + "TestDecryption_FailsInOneWayWhateverIsWrong", xenc + "FuzzOpen", signin + "TestEncryptedAnswers_ThatDoNotOpenCannotBeToldApart"}},
	{"A34", "another tenant's assertion, by the same IdP", []string{signin + "TestAnswersOfAnotherTenant_AreRefused", lib + "TestConnections_DoNotTakeEachOthersAssertions", strangers}},
	{"A35", "another tenant's IdP that names itself alike", []string{signin + "TestAnswersOfAnotherTenant_AreRefused", strangers, lib + "TestArtifactResponse_OfAnotherIdentityProviderIsRefused", signin + "TestArtifact_AnAnswerThatIsNotTheIdPsIsRefusedAndTheArtifactIsGone", signin + "TestArtifact_NobodyIsAskedForAStrangersArtifact"}},
	{"A36", "an IdP asserts another tenant's people", []string{rule + "TestAnotherWorkspacesPeopleAndDomains_AreOutOfReach", rule + "TestTheSamePerson_CanBeInTwoDirectoriesAndTwoWorkspaces", strangers}},
	{"A37", "replay: again, fifty at once, after a restart, at another process (omni CVE-2026-45720)", []string{signin + "TestReplay_OfFiftyAtOnceOneSignsIn", signin + "TestReplay_IsRefusedAfterSignOutAndAfterARestart", signin + "TestReplay_OfAnAnswerToARequestIsCalledOne", signin + "TestOIDC_FiftyCallbacksWithOneStateGiveOneSession", twice, story + "TestStory_a_killed_server_forgets_no_answer", story + "TestStory_signing_in_outlives_the_server replay_is_refused", signin + "TestArtifact_OneOfManyPostsOfItSignsIn", signin + "TestSingleLogout_OfManyAtOnceOneIsBelieved", story + "TestStory_logout_over_a_restart"}},
	{"A38", "InResponseTo missing, unknown, late, of another connection, of another browser (Casdoor CVE-2026-9098)", []string{lib + "TestInResponseTo_IsTheRequestPending", signin + "TestAnswers_AreRefusedWithTheirReason", signin + "TestSignInsUnderWay_LastFifteenMinutes", signin + "TestAnswers_CountOnlyInTheBrowserThatAsked", signin + "TestAnswersOfAnotherTenant_AreRefused"}},
	{"A39", "somebody else's answer in the victim's browser", []string{signin + "TestAnswers_CountOnlyInTheBrowserThatAsked", signin + "TestUnsolicitedAnswers_CountWhereTheConnectionAllowsThem", signin + "TestOIDC_AStateIsThatOfOneBrowserOneConnectionAndOnce", signin + "TestFormsFromOtherSites_AreRefused", story + "TestPeer_nginx_between_two_sites"}},
	{"A40", "RelayState leads away, or is markup", []string{signin + "TestContinuePath_AllowsOwnPathsAndNothingElse", signin + "TestRelayState_OfAnUnsolicitedAnswerLeadsNowhereElse", signin + "TestContinue_IsCarriedThroughEveryWayIn", signin + "FuzzContinuePath", story + "TestStory_signing_in tile_signs_in"}},
	{"A41", "conditions missing or over (Casdoor CVE-2026-9096, Fleet CVE-2025-27509, Rancher CVE-2025-23389)", []string{lib + "TestConditions", lib + "TestConfirmations", lib + "TestSkew_ThreeHundredSecondsAndNotOneMore", signin + "TestAnswers_AreRefusedWithTheirReason", faults}},
	{"A42", "IdP, person or connection switched off meanwhile (Keycloak CVE-2026-2603, authentik CVE-2025-53942)", []string{signin + "TestDisabledAfterTheRequest_IsRefusedOnceTheSignatureIsVerified", signin + "TestChangeOfAConnection_RacingASignInLeavesNoSession", signin + "TestDeactivation_RacingASignInLeavesNoSession", signin + "TestOIDC_AConnectionThatIsSwitchedOffOrChangedSignsNobodyIn", rule + "TestAConnectionThatIsNotActive_SignsNobodyIn"}},
	{"A43", "metadata that lies: addresses, size, redirects, another entity, past its end (crewjam CVE-2023-45683, ZITADEL CVE-2026-29191)", []string{lib + "TestParseMetadata_TakesNoAddressButHTTP", lib + "TestParseMetadata_HoldsItsOwnEnd", lib + "TestParseMetadata_ChoosesTheEntity", setting + "TestConnection_TakesMetadataFromAFileAURLOrTheApplyFileItself", outside + "TestClient_DialsNoPrivateAddressUnlessAllowed", outside + "TestClient_FollowsNoRedirectToAnotherScheme", party + "TestADiscoveryDocument_HasToBeTheIssuersOwn"}},
	{"A44", "markup in what we write: names, entity IDs (samlify CVE-2026-46490)", []string{lib + "TestWriters_EscapeWhateverTheyAreGiven", lib + "TestServiceProviderMetadata_SaysWhoWeAreInStableBytes", setting + "TestExport_WritesMetadataThatReadsBackTheSame"}},
	{"A45", "logout that nobody signed (gosaml2 GO-2026-4764)", []string{lib + "TestLogoutRequest_WithoutAGoodSignatureIsRefused", lib + "TestLogoutRequest_IsHeldAgainstTheConnection", lib + "FuzzLogoutRedirect", party + "TestALogoutToken_IsBelievedOnlyAsSuch", signin + "TestBackchannelLogout_EndsWhatItNamesOnce", signin + "TestSingleLogout_WhatIsNotTheIdPsWordIsRefusedAndEndsNothing", signin + "TestSingleLogout_MeansThisNameThroughThisConnectionAlone", signin + "TestSingleLogout_UnprovenMessagesCannotBeToldApartAndMakeUsCallNobody", signin + "TestSignOut_AnAnswerThatIsNotTheIdPsOrNotToThisRequestIsRefused"}},
	{"A46", "OIDC: alg none, HS256 with the public key, jku, jwk, crit, encrypted bombs (go-jose CVE-2024-28180, CVE-2025-27144)", []string{party + "TestASignature_IsBelievedOnlyOfThePublishedKeyAndByAnAllowedAlgorithm", party + "FuzzToken", signin + "TestOIDC_UnprovenAnswersCannotBeToldApart", signin + "TestOIDC_NoAnswerMakesUsCallAnybody", provide + "TestNoRequest_MakesUsCallAnybody"}},
	{"A47", "OIDC: IdPs mixed up (Auth.js CVE-2026-73419)", []string{signin + "TestOIDC_AnAnswerOfAnotherIdPIsRefusedBeforeTheTokenRequest", signin + "TestOIDC_AStateIsThatOfOneBrowserOneConnectionAndOnce", party + "TestTwoConnections_ShareNothingOfOneIssuer"}},
	{"A48", "OIDC: somebody else's code; PKCE left out (authentik GO-2024-2479)", []string{signin + "TestOIDC_SomebodyElsesCodeOpensNothing", provide + "TestMistakesOfAnApplication_AreToldToIt", provide + "TestCode_IsBoundToItsRequest", grant + "TestCode_MadeWithoutChallengeIsWorthNothing", grant + "TestCode_WithAnotherRedirectOrVerifierIsUsedUp"}},
	{"A49", "OIDC: an address that nobody verified (nOAuth, Coder GHSA-9r87-mvcw-x35f, ZITADEL GHSA-992q-9gwp-7r79)", []string{signin + "TestOIDC_AnUnverifiedAddressLinksToNobody", signin + "TestOIDC_EntraIsReadByItsOwnRules", party + "TestEmailVerified_IsTheJSONValueTrueAlone", party + "TestEntra_TellsTenantsApart"}},
	{"A50", "a domain of another tenant, or one that looks like it (CVE-2026-73420): claimed, raced for, proven by another's record, sub-domain, IDN, dots, wide letters", []string{rule + "TestAnAddress_IsSomebodyOnlyInADomainThatThisWorkspaceHasProven", rule + "TestAnotherWorkspacesPeopleAndDomains_AreOutOfReach", rule + "TestAnAddressInADomainThatAnotherWorkspaceHasProven_IsRefused", noun + "TestIsAddress_AcceptsWhatMailAcceptsAndNothingThatHidesASecondAddress", noun + "TestDomain_IsTheDomainOfAnAddressAndOfNothingElse", noun + "FuzzDomainName_GivesAFormThatIsItsOwn", setting + "TestDomain_HasOneOwnerAndTheFirstProofWins", setting + "TestDomain_OfTwoProofsAtOnceOneWins", setting + "TestDomain_RemovedWhileDNSIsAskedIsNotProven", setting + "TestApply_OfADomainThatAnotherWorkspaceHasIsRefused"}},
	{"A51", "the OpenID provider: codes again and for others, refresh tokens again, redirect URIs that look right (GHSA-xqxv-4jc2-x56x)", []string{provide + "TestRedirectURI_IsOneOfTheRegisteredByteForByte", provide + "TestCode_OpensOnceHoweverManyTry", provide + "TestRefreshToken_ThatComesTwiceEndsTheFamily", grant + "TestCode_RedeemedByTwentyAtOnceGivesOnce", grant + "TestCode_OfAnotherClientIsRefusedAndNotSpoilt", grant + "TestRefresh_RotatesAndASecondUseEndsTheFamily"}},
	{"A52", "secrets guessed by the time that an answer takes", []string{house + "TestSecrets_AreNotComparedByteByByte", signin + "TestPassword_CostsTheSameForUnknownAccounts", secrets + "TestUnknownAddress_CostsWhatAKnownOneCosts", signin + "TestRefusedSignIn_AnswersAlikeForKnownAndUnknownAccounts", xenc + "TestOpen_TakesAsLongWhateverIsWrong"}},
	{"A53", "markup in names, attributes and the IdP's own words, kept and shown later", []string{signin + "TestTextsOfTheIdP_AreNeverMarkup", signin + "TestOIDC_WhatTheIdPSaysNoToIsShownAsText", pages + "TestNothingThatOthersWrote_IsMarkup"}},
}
