package house

// Folders of the table.
const (
	engine   = "scim "
	inMemory = "scim/scimmem "
	probe    = "scim/scimtest "
	door     = "internal/scimserver "
	rule     = "internal/provision "
	setting  = "internal/settings "
	pages    = "internal/console "
	signin   = "internal/signin "
	grant    = "internal/grants "
	simulate = "internal/idpsim "
	story    = "acceptance "
)

// suite runs every case of scim/scimtest on the server.
const suite = door + "TestServer_PassesTheConformanceCases "

// cases is kept by hand: whoever renames a test changes its name here.
var cases = []shown{
	// Security.
	{"B1", "an externalId is nobody's id, whatever it looks like (Grafana, CVE-2025-41115)", []string{door + "TestAnExternalID_IsNobodysId"}},
	{"B2", "no spelling of a path goes around the token (Zitadel, CVE-2026-32130)", []string{door + "TestEveryPath_NeedsAToken", engine + "TestRequests_NeedATokenWhateverThePath"}},
	{"B3", "a token is made after a fresh sign-in and never read again (Bitwarden, CVE-2026-43640)", []string{pages + "TestCredential_IsMadeByWhoSignedInWithinTenMinutes", pages + "TestTokens_StandInOneAnswerOnly", setting + "TestListTokens_NeverHoldsTheSecret"}},
	{"B4", "another tenant's ids are unknown ids, on every way (vouch)", []string{door + "TestNeighbour_SeesNothing", door + "TestBulk_TouchesNoNeighbour", door + "TestAGroupOfSomebodyElse_IsNoMember", story + "TestPromise_ANeighboursIdsInFiltersAreUnknownIds", story + "TestStory_neighbour_sees_nothing"}},
	{"B5", "a person of two tenants is two members (tale)", []string{rule + "TestTheSamePerson_CanBeInTwoDirectoriesAndTwoWorkspaces", rule + "TestWhoClaimsWhatIsNotTheirs_LearnsAndGetsNothing", door + "TestNeighbour_SeesNothing"}},
	{"B6", "who is of no workspace, or of another, makes no token (open-mercato)", []string{pages + "TestAnotherWorkspace_AnswersAsAnUnknownOne", pages + "TestWhoIsNotSignedIn_IsLedToSignInAndBack", setting + "TestTokens_OfWhatIsNotThereAreNotFound"}},
	{"B7", "an address is changed into one's own domain alone, by any form of request (PostHog)", []string{door + "TestAnAddress_IsChangedWithinOnesOwnOnly", rule + "TestAnAddressInADomainThatAnotherWorkspaceHasProven_IsRefused"}},
	{"B8", "adoption rewrites no address (ciso-assistant)", []string{rule + "TestAdoption_NeverRewritesAnAddress", rule + "TestWhoClaimsWhatIsNotTheirs_LearnsAndGetsNothing", rule + "TestADirectory_AdoptsNobodyElses"}},
	{"B9", "an empty token is none, with and without a directory (ToolJet)", []string{door + "TestEveryPath_NeedsAToken", door + "TestToken_OfNobodyAndReplacedAndSwitchedOff"}},
	{"B10", "a session, an API key or a JWT is no SCIM token, and roles cannot be set (Atlas-Workforce)", []string{door + "TestNobodyElsesToken_OpensADirectory", door + "TestWhatADirectoryMayNotSet_HasNoEffect"}},
	{"B11", "groups of a user are not changed through the user (Keycloak)", []string{door + "TestWhatADirectoryMayNotSet_HasNoEffect", engine + "TestPatch_Refuses"}},
	{"B12", "a filter is no oracle for what is not shown (Keycloak)", []string{door + "TestADirectory_SeesAndChangesItsOwnAlone"}},
	{"B13", "no request loads a whole directory (Keycloak)", []string{engine + "TestPaging", door + "TestAListOfLargeGroups_ComesInPagesThatFit", door + "TestFilter_ThatWouldSearchTooMuchTextIsRefused", rule + "TestAWalkByCursor_ReadsEachRowOnceAndCountsOnce"}},
	{"B14", "a group of the same name elsewhere is neither linked, renamed nor deleted (authentik)", []string{door + "TestADirectory_SeesAndChangesItsOwnAlone", story + "TestStory_okta_links_groups_that_are_there"}},
	{"B15", "people whom a directory never made are not there for it (activepieces)", []string{door + "TestADirectory_SeesAndChangesItsOwnAlone"}},
	{"B16", "every way out ends sessions, tokens and keys (Yuzu, litellm, authentik)", []string{door + "TestEveryWayOut_EndsSessions", story + "TestStory_signing_in deactivated_stays_out_of_everything", grant + "TestDeactivation_ReachesTheApplicationThroughTheOutbox"}},
	{"B17", "linking somebody with active:false ends their sessions (better-auth)", []string{rule + "TestAPostOfSomebodyWhoSignedIn_CarriesItsOwnWord", rule + "TestWhoIsInactiveInThePost_PutsNobodyOutUndecided", rule + "TestActiveFalse_PutsOutOnceAndKeepsGroupRows"}},
	{"B18", "the guard of the last owner runs before the write (lightdash)", []string{door + "TestEveryWayOut_IsClosedForTheLastOwner", rule + "TestAllOwnersInOneRequest_DoNotGo", rule + "TestTwoOwnersWhoLeaveAtOnce_LeaveOne"}},
	{"B19", "owners and break-glass are not demoted by a sync (open-webui, Sentry, Appsmith)", []string{rule + "TestTheLastOwnerAndBreakGlass_KeepStatusRoleAndAddressOnEveryPath", story + "TestPromise_ADirectoryCannotTakeTheLastOwnerOut"}},
	{"B20", "a rename of a mapped group re-evaluates those who stay (litellm)", []string{door + "TestAMapping_OutlivesTheGroupsChanges"}},
	{"B21", "ownership is of the resource that was found, not of the text of its id (Keeper)", []string{door + "TestADirectory_SeesAndChangesItsOwnAlone"}},
	{"B22", "crafted filters are read by the grammar (the-dmz)", []string{engine + "TestParseFilter_RefusesAndNeverGuesses", engine + "TestParseFilter_RefusesAsTheParserOfOthersDoes", suite + "filter.escapes, filter.or"}},
	{"B23", "attributes of the server's own are not writable (Doyensec)", []string{door + "TestWhatADirectoryMayNotSet_HasNoEffect"}},
	// Interoperability and correctness.
	{"B24", "removing one member removes one; adding one adds (Segment, suna)", []string{door + "TestMembers_EntraAndOktaForms", suite + "member"}},
	{"B25", "a filtered removal has its effect on roles (authentik)", []string{story + "TestStory_okta_provisions", story + "TestStory_entra_deactivates", rule + "TestRoles_FollowTheHighestMappedGroup"}},
	{"B26", "a replace of something else empties no group (langwatch)", []string{engine + "TestGroups_KeepTheirMembersUnlessTold", door + "TestARefusedRequest_ChangesNothingInEitherMode"}},
	{"B27", "fifty at once on one group lose nobody (Fleet, scim-for-keycloak)", []string{door + "TestFiftyRequestsAtOnceOnOneGroup_LoseNobody", rule + "TestFiftyAtOnceOnOneGroup_LeaveExactlyWhatTheySaid", rule + "TestFiftyAtOnceWithWholeListsAmongThem_LeaveExactlyWhatTheySaid"}},
	{"B28", "a PUT that answers 200 has stored its members, pending people too (teleport)", []string{door + "TestAGroupOfPendingPeople_HasThemAll"}},
	{"B29", "an empty list, an empty member, a member without a type (SCIM-SDK)", []string{door + "TestAGroupOfPendingPeople_HasThemAll", engine + "TestPatch_OfMembersArrivesAsRowOperations"}},
	{"B30", "one member costs the same in every group (WSO2, SimpleIdServer)", []string{rule + "TestOneMemberChange_CostsTheSameInEveryGroup", rule + "TestRolesOfAWholeGroup_AreResolvedInABoundedNumberOfRoundTrips"}},
	{"B31", "active in every dialect (scimmy, FusionAuth, Zitadel and more)", []string{engine + "TestPatch_ActiveInEveryDialect", door + "TestEveryWayOut_EndsSessions"}},
	{"B32", "a PATCH of one attribute changes one (SSOReady)", []string{engine + "TestPatch_OperationByPathForm", engine + "TestUsers_ArePatchedWithABody", suite + "patch.no-path"}},
	{"B33", "a value path creates what is not there, with its type (Zitadel, Polis)", []string{engine + "TestPatch_OperationByPathForm", door + "TestMicrosoftsValidator_PassesEveryTest"}},
	{"B34", "dotted keys without a path (scim-for-keycloak)", []string{engine + "TestPatch_OperationByPathForm dotted and URN keys", simulate + "TestEntraSendsTheNumberedStepsWithTheComplianceFlag"}},
	{"B35", "quotes, brackets, colons and dots in a value filter (lightdash, kanidm)", []string{engine + "TestPatch_OperationByPathForm brackets, quotes and colons in the filter", engine + "TestPatch_OfMembersArrivesAsRowOperations"}},
	{"B36", "filters by externalId on both types; none is ignored (Octopus, probo)", []string{engine + "TestFilters_SelectOrFailAndNeverReturnEverybody", door + "TestRoundTrip_APutOfWhatGetReturnedChangesNothing", story + "TestPromise_ANeighboursIdsInFiltersAreUnknownIds"}},
	{"B37", "no clause of a filter is cut off; what cannot be read is refused (Cogtrix)", []string{engine + "TestParseFilter_ReadsAsTheParserOfOthersDoes", engine + "TestParseFilter_RefusesAndNeverGuesses", suite + "filter"}},
	{"B38", "userName is unique in any letter case, with scimType (Polis, authentik, FusionAuth)", []string{door + "TestTwentyPostsAtOnce_MakeOnePerson", engine + "TestUniqueness_IsTheBackendsAndAnsweredAs409"}},
	{"B39", "a lost race is 409 and no 500 (gravitee)", []string{door + "TestTwentyPostsAtOnce_MakeOnePerson", rule + "TestTwentyPostsOfOnePerson_MakeOne"}},
	{"B40", "totals, pages and itemsPerPage are what they say (Polis, WSO2)", []string{engine + "TestPaging", engine + "TestPaging_WalksMeetEverybodyOnce", suite + "page"}},
	{"B41", "core attributes are at the top level, and a return is seen at once (snipe-it)", []string{story + "TestStory_google_suspends_and_deletes_independently", door + "TestOktaLifeCycle_CreatesDeactivatesAndBringsBackTheSameMember"}},
	{"B42", "invitations go out by policy alone (Zitadel)", []string{rule + "TestInvitation_IsSentOnceAndOnlyWherePolicySaysSo", story + "TestStory_pingone_filters_and_creates_inactive"}},
	{"B43", "provisioned, signed in, out and back is one member (GitLab)", []string{story + "TestStory_signing_in scim_first_then_saml, deactivated_stays_out_of_everything", rule + "TestActiveTrue_RestoresTheMemberOrPutsAFreshOneBehindTheResource"}},
	{"B44", "claims of a sign-in bring nobody back (suna)", []string{rule + "TestSomebodyWhoIsOut_IsNeverMadeAgainBySigningIn", rule + "TestSCIMGroups_ComeBeforeClaims"}},
	{"B45", "the token names workspace and directory before anything else is asked (onyx)", []string{door + "TestToken_OfNobodyAndReplacedAndSwitchedOff", door + "TestEveryPath_NeedsAToken"}},
	{"B46", "a role mapping outlives changes of its group (gravitee)", []string{door + "TestAMapping_OutlivesTheGroupsChanges"}},
	{"B47", "X-Forwarded-Host makes no address (tuist)", []string{door + "TestARequestOfEveryShape_Works", engine + "TestCreate_AnswersWithTheResourceAndItsPlace"}},
	{"B48", "a PUT of what GET returned changes nothing (onyx)", []string{door + "TestRoundTrip_APutOfWhatGetReturnedChangesNothing", door + "TestARequestAskedTwice_IsAskedOnce", engine + "TestReplace_OfExactlyWhatGetReturnedChangesNothing"}},
	{"B49", "percent and underscore stand for themselves (infra, two_percent)", []string{engine + "TestMatch", suite + "filter.literal"}},
	{"B50", "a PATCH without operations, as Microsoft's validator sends (scimmy)", []string{engine + "TestPatch_OperationByPathForm", door + "TestMicrosoftsValidator_PassesEveryTest"}},
	{"B51", "Entra's test of the connection (OneUptime)", []string{door + "TestARequestOfEveryShape_Works", simulate + "TestEntraSendsTheNumberedStepsInItsDefaultDialect"}},
	// Acceptance cases.
	{"AC01", "discovery, and 405 with Allow for other methods", []string{engine + "TestDiscovery_HasTheStandardsShapes", suite + "discovery"}},
	{"AC02", "discovery by id, raw and encoded", []string{engine + "TestDiscovery_HasTheStandardsShapes", suite + "discovery.schema"}},
	{"AC03", "no token, a wrong one, a revoked one: 401 that reveals nothing", []string{door + "TestEveryPath_NeedsAToken", door + "TestToken_OfNobodyAndReplacedAndSwitchedOff", door + "TestToken_ReplacedWhileABodyIsOnItsWayIsDead"}},
	{"AC05", "no match is an empty list", []string{door + "TestARequestOfEveryShape_Works"}},
	{"AC06", "Okta's POST: 201, Location, version, no password anywhere", []string{engine + "TestCreate_AnswersWithTheResourceAndItsPlace", engine + "TestVersions_AreInTheHeaderAndInMeta", door + "TestEveryWriteAndEveryRefusal_IsAnEventWithItsPayload"}},
	{"AC07", "the same userName in other letters is 409", []string{door + "TestTwentyPostsAtOnce_MakeOnePerson", suite + "create.duplicate-case"}},
	{"AC08", "twenty POSTs at once make one", []string{door + "TestTwentyPostsAtOnce_MakeOnePerson"}},
	{"AC09", "bodies that are none: what is not JSON, not a User, without userName. Without schemas it must be a User beyond doubt, and strict mode wants them", []string{engine + "TestInvalidBodies_NameTheProblemAndChangeNothing", engine + "TestDecode_Refuses", engine + "TestModes_DifferAsTheTableSays", door + "TestOneLoginsTemplate_IsUnderstoodWithAWarningAndStrictlyRefused", story + "TestStory_onelogin_templates"}},
	{"AC12", "Entra's POST with a manager as text and primary as text", []string{engine + "TestCreate_InTheNameOfEntra", door + "TestRoundTrip_APutOfWhatGetReturnedChangesNothing"}},
	{"AC14", "a POST with active:false is inactive and not invited", []string{rule + "TestAPostWithActiveFalse_MakesSomebodyWhoIsOut", story + "TestStory_pingone_filters_and_creates_inactive"}},
	{"AC15", "another workspace's id is 404 for every method", []string{door + "TestNeighbour_SeesNothing"}},
	{"AC17", "startIndex and count at and beyond their bounds", []string{door + "TestAC17_PagesByNumberAreWhatTheStandardSays", engine + "TestPaging", suite + "page"}},
	{"AC18", "a walk beside changes repeats nobody and loses nobody who stays", []string{door + "TestAC18_AWalkByNumbersNeitherRepeatsNorLosesAnybody", door + "TestAWalkByCursor_NeitherRepeatsNorLosesAnybody", inMemory + "TestDirectory_CursorsMeetEverybodyWhoStaysOnce"}},
	{"AC19", "the filters that IdPs send", []string{door + "TestRoundTrip_APutOfWhatGetReturnedChangesNothing", engine + "TestFilters_SelectOrFailAndNeverReturnEverybody", suite + "filter"}},
	{"AC20", "and binds tighter than or, not than both", []string{engine + "TestParseFilter_ReadsTheGrammar", engine + "TestParseFilter_ReadsAsTheParserOfOthersDoes", suite + "filter.precedence"}},
	{"AC22", "bad filters are 400 and cost little", []string{engine + "TestParseFilter_RefusesAndNeverGuesses", engine + "FuzzFilter", story + "TestStory_bad_scim_requests_change_nothing"}},
	{"AC24", "attributes and excludedAttributes", []string{engine + "TestProjection", suite + "attributes"}},
	{"AC25", ".search answers as GET does", []string{engine + "TestSearch_AnswersAsTheListDoes", engine + "TestSearch_RefusesWhatIsNoSearch"}},
	{"AC26", "If-None-Match and If-Match", []string{engine + "TestVersions_StopAChangeOfWhatHasMoved", door + "TestTwoChangesUnderOneVersion_OneIsMadeAndOneIsRefused", door + "TestARefusalByVersion_ChangesNothingAndIsOnRecord"}},
	{"AC27", "sorting, missing values, unknown attributes", []string{door + "TestASortedList_ComesInThatOrderByIndexAndByCursor", engine + "TestCompareBy_OrdersAsTheStandardSays", door + "TestARequestOfEveryShape_Works"}},
	{"AC28", "Okta deactivates: active alone changes, and all access ends", []string{door + "TestEveryWayOut_EndsSessions", story + "TestStory_signing_in deactivated_stays_out_of_everything", story + "TestStory_okta_provisions"}},
	{"AC29", "Entra deactivates and brings back, with role and SCIM id", []string{door + "TestEveryWayOut_EndsSessions", story + "TestStory_entra_deactivates"}},
	{"AC31", "Okta's custom app deactivates by PUT", []string{door + "TestEveryWayOut_EndsSessions", story + "TestStory_okta_custom_app_puts"}},
	{"AC34", "PUT without userName, of an unknown id, to another's name", []string{door + "TestARefusedRequest_ChangesNothingInEitherMode", suite + "replace"}},
	{"AC35", "a value path without a value: made in lenient mode, noTarget in strict", []string{engine + "TestModes_DifferAsTheTableSays replace of a value that is not there"}},
	{"AC36", "several operations in one request", []string{engine + "TestPatch_OperationByPathForm several operations, in order"}},
	{"AC37", "Entra's flag dialect", []string{engine + "TestPatch_OperationByPathForm dotted and URN keys", door + "TestMicrosoftsValidator_PassesEveryTest"}},
	{"AC38", "the manager in each form", []string{engine + "TestPatch_OperationByPathForm", door + "TestMicrosoftsValidator_PassesEveryTest"}},
	{"AC40", "operations that are refused, each with its scimType", []string{engine + "TestPatch_Refuses", suite + "patch"}},
	{"AC41", "one primary value", []string{engine + "TestPatch_OperationByPathForm", engine + "TestModes_DifferAsTheTableSays two primary values"}},
	{"AC43", "DELETE, then 404, then a POST with a new id and the policy's member", []string{door + "TestOktaLifeCycle_CreatesDeactivatesAndBringsBackTheSameMember", rule + "TestAPostAfterDelete_BringsBackTheMemberOrMakesAFreshOne"}},
	{"AC44", "the last owner and break-glass stay, by each path", []string{door + "TestEveryWayOut_IsClosedForTheLastOwner", rule + "TestTheLastOwnerAndBreakGlass_KeepStatusRoleAndAddressOnEveryPath"}},
	{"AC45", "POST of groups by Okta and Entra, and a name in other letters", []string{engine + "TestCreate_InTheNameOfEntra", rule + "TestGroupNames_AreUniqueInADirectoryOnly", door + "TestMicrosoftsValidator_PassesEveryTest"}},
	{"AC46", "members removed and added by both", []string{door + "TestMembers_EntraAndOktaForms"}},
	{"AC47", "Okta's rename carries the id and leaves members", []string{engine + "TestGroups_KeepTheirMembersUnlessTold", door + "TestAMapping_OutlivesTheGroupsChanges"}},
	{"AC49", "members replaced, removed, put and not put", []string{engine + "TestGroups_KeepTheirMembersUnlessTold", engine + "TestModes_DifferAsTheTableSays PUT of a group without members"}},
	{"AC50", "Entra's values in arrays", []string{engine + "TestGroups_KeepTheirMembersUnlessTold", door + "TestMicrosoftsValidator_PassesEveryTest"}},
	{"AC52", "a group of 20,000 costs no more than its change", []string{rule + "TestOneMemberChange_CostsTheSameInEveryGroup", rule + "TestAGroupWithoutItsMembers_IsReadWithoutThem"}},
	{"AC53", "roles follow groups and names of groups at once", []string{rule + "TestRoles_FollowTheHighestMappedGroup", door + "TestAMapping_OutlivesTheGroupsChanges"}},
	{"AC55", "whoever is out does not come in by signing in", []string{rule + "TestSomebodyWhoIsOut_DoesNotSignInByAnyMethodAndSigningInRevivesNobody", rule + "TestSomebodyWhoIsOut_IsNeverMadeAgainBySigningIn", signin + "TestSession_OfSomebodyDeactivatedIsDeadAtTheNextCheck"}},
	{"AC57", "a replaced token is dead at once, shown once, stored as a hash", []string{setting + "TestRotateToken_KillsTheOneBefore", setting + "TestListTokens_NeverHoldsTheSecret", story + "TestStory_replaced_token_is_dead_at_once"}},
	{"AC58", "bulk: references in any order, circles, failOnErrors, limits", []string{engine + "TestBulk_CirclesAreClosed", engine + "TestBulk_RefusesAWholeRequestBeforeAnythingIsDone", door + "TestBulk_DoesWhatItsRequestsWouldAndLeavesTheirTraces", door + "TestGroupsInACircle_DoNoHarm"}},
	{"AC60", "cursors: another's, another query's, tampered with, expired", []string{door + "TestACursor_IsGoodForItsOwnQueryAlone", inMemory + "TestDirectory_CursorsBelongToTheirQuery"}},
	{"AC62", "headers that are missing, and spellings of the base", []string{door + "TestARequestOfEveryShape_Works", engine + "TestContentTypes", engine + "TestPaths_AreForgivenWithoutARedirect"}},
	{"AC63", "X-Forwarded-Host is not believed", []string{door + "TestARequestOfEveryShape_Works"}},
	{"AC65", "25 requests a second are always served, and a flood is its own directory's", []string{door + "TestAC65_TwentyFiveRequestsASecondAreAlwaysServedOfSixty", door + "TestLimiter_AlwaysServesItsRate", door + "TestFlood_OfOneDirectoryTakesNothingFromAnother"}},
	{"AC66", "JumpCloud's activation, three times", []string{door + "TestAnActivation_CanBeRepeated", story + "TestStory_jumpcloud_activates_again_and_again"}},
	{"AC67", "Okta's SPEC test, Microsoft's validator, scim2-tester", []string{door + "TestOktasSpecTest_PassesEveryStep", door + "TestMicrosoftsValidator_PassesEveryTest", story + "TestPeer_scim2_tester"}},
	{"AC68", "strict mode refuses what the profile forbids and says that it conforms", []string{door + "TestAStrictDirectory_StandsBesideALenientOne", door + "TestServer_InStrictModePassesAllCasesButThoseThatTheProfileForbids", engine + "TestStrict_AcceptsWhatTheProfileAsksFor"}},
	{"AC70", "password in a filter or an order; one attribute in two letter cases", []string{door + "TestARequestOfEveryShape_Works", engine + "TestJSON_RefusesWhatTwoReadersCouldReadDifferently"}},
	{"AC71", "data of an extension that schemas does not list", []string{door + "TestEntra_ProvisionsItsCustomExtension", engine + "TestModes_DifferAsTheTableSays"}},
	// Properties.
	{"P1", "a filter that is printed and parsed is the same tree", []string{engine + "TestFilter_PrintedAndParsedIsTheSameTree"}},
	{"P2", "a PATCH that changes nothing keeps the version", []string{door + "TestARequestAskedTwice_IsAskedOnce", suite + "patch.no-op"}},
	{"P3", "any 4xx leaves the database as it was, but for its event", []string{door + "TestARefusedRequest_ChangesNothingInEitherMode", rule + "TestAnUnknownMemberId_ChangesNothingAtAll"}},
	{"P4", "a PATCH applied twice is applied once, for replace, remove and adding members", []string{door + "TestARequestAskedTwice_IsAskedOnce", engine + "TestPatch_ReplaceAndRemoveTwiceIsOnce"}},
	{"P5", "what /Schemas publishes is written and read again, attribute by attribute", []string{suite + "schema", probe + "TestTest_PassesOnTheDirectoryInMemory"}},
	{"P6", "filters and PATCH do what two implementations by others do, or a listed difference says why not", []string{engine + "TestParseFilter_ReadsAsTheParserOfOthersDoes", story + "TestPeer_scim_filters_select_what_theirs_do", story + "TestPeer_scim_patches_make_what_theirs_do"}},
	{"P7", "groups in groups are data: no role, no harm in a circle, gone with the group", []string{door + "TestAGroupInAGroup_IsKeptAsDataAndGivesNobodyAnything", door + "TestGroupsInACircle_DoNoHarm", door + "TestAGroupDeletedBesideItsJoining_LeavesNoMember"}},
}
