"""The values of the enumerations that metadata files use, as the vendor spells them.

Not which element takes which: that is `elements.py`.
"""

from __future__ import annotations

ENUMS: dict[str, str] = {
    "PlatformEventChannelEventType": "custom standard monitoring data",
    "EncryptedFieldMaskChar": "asterisk X",
    "ReportBucketFieldType": "text number picklist",
    "SummaryOperations": "count sum min max",
    "FeedLayoutComponentType": (
        "HelpAndToolLinks CustomButtons Following Followers CustomLinks Milestones Topics CaseUnifiedFiles Visualforce"
    ),
    "FolderAccessTypes": "Shared Public Hidden PublicInternal",
    "PlatformActionType": "QuickAction StandardButton CustomButton ProductivityAction ActionLink InvocableAction",
    "PlatformEventType": "HighVolume StandardVolume ExternalEvent",
    "StartsWith": "Consonant Vowel Special",
    "FeedLayoutFilterPosition": "CenterDropDown LeftFixed LeftFloat",
    "DeleteConstraint": "Cascade Restrict SetNull",
    "SetupObjectVisibility": "PackageProtected Protected Public",
    "DashboardComponentFilter": "RowLabelAscending RowLabelDescending RowValueAscending RowValueDescending",
    "PublicFolderAccess": "ReadOnly ReadWrite",
    "ReportSummaryType": "Sum Average Maximum Minimum Unique Median Noop None",
    "CustomSettingsType": "List Hierarchy",
    "ChartType": (
        "None Scatter ScatterGrouped Bubble BubbleGrouped HorizontalBar HorizontalBarGrouped "
        "HorizontalBarStacked HorizontalBarStackedTo100 VerticalColumn VerticalColumnGrouped "
        "VerticalColumnStacked VerticalColumnStackedTo100 Line LineGrouped LineCumulative "
        "LineCumulativeGrouped Pie Donut Funnel VerticalColumnLine VerticalColumnGroupedLine "
        "VerticalColumnStackedLine Plugin"
    ),
    "LayoutSectionStyle": "TwoColumnsTopToBottom TwoColumnsLeftToRight OneColumn CustomLinks",
    "ReportChartComponentSize": "SMALL MEDIUM LARGE",
    "SharingModel": (
        "Private Read ReadSelect ReadWrite ReadWriteTransfer FullAccess ControlledByParent "
        "ControlledByLeadOrContact ControlledByCampaign"
    ),
    "DashboardComponentSize": "Narrow Medium Wide",
    "Gender": (
        "Neuter Masculine Feminine AnimateMasculine ClassI ClassIII ClassV ClassVII ClassIX ClassXI "
        "ClassXIV ClassXV ClassXVI ClassXVII ClassXVIII"
    ),
    "ChartUnits": "Auto Integer Hundreds Thousands Millions Billions Trillions",
    "PlatformEventChannelType": "event data",
    "FolderSharedToType": (
        "Group Role RoleAndSubordinates RoleAndSubordinatesInternal Manager "
        "ManagerAndSubordinatesInternal Organization Territory TerritoryAndSubordinates AllPrmUsers User "
        "PartnerUser AllCspUsers CustomerPortalUser PortalRole PortalRoleAndSubordinates "
        "ChannelProgramGroup"
    ),
    "ChartPosition": "CHART_TOP CHART_BOTTOM",
    "ReportAggregateDatatype": "currency percent number",
    "ReportChartSize": "Tiny Small Medium Large Huge",
    "DeploymentStatus": "InDevelopment Deployed",
    "UserDateInterval": (
        "INTERVAL_CURRENT INTERVAL_CURNEXT1 INTERVAL_CURPREV1 INTERVAL_NEXT1 INTERVAL_PREV1 "
        "INTERVAL_CURNEXT3 INTERVAL_CURFY INTERVAL_PREVFY INTERVAL_PREV2FY INTERVAL_AGO2FY "
        "INTERVAL_NEXTFY INTERVAL_PREVCURFY INTERVAL_PREVCUR2FY INTERVAL_CURNEXTFY INTERVAL_CUSTOM "
        "INTERVAL_YESTERDAY INTERVAL_TODAY INTERVAL_TOMORROW INTERVAL_LASTWEEK INTERVAL_THISWEEK "
        "INTERVAL_NEXTWEEK INTERVAL_LASTMONTH INTERVAL_THISMONTH INTERVAL_NEXTMONTH "
        "INTERVAL_LASTTHISMONTH INTERVAL_THISNEXTMONTH INTERVAL_CURRENTQ INTERVAL_CURNEXTQ "
        "INTERVAL_CURPREVQ INTERVAL_NEXTQ INTERVAL_PREVQ INTERVAL_CURNEXT3Q INTERVAL_CURY INTERVAL_PREVY "
        "INTERVAL_PREV2Y INTERVAL_AGO2Y INTERVAL_NEXTY INTERVAL_PREVCURY INTERVAL_PREVCUR2Y "
        "INTERVAL_CURNEXTY INTERVAL_LAST7 INTERVAL_LAST30 INTERVAL_LAST60 INTERVAL_LAST90 "
        "INTERVAL_LAST120 INTERVAL_NEXT7 INTERVAL_NEXT30 INTERVAL_NEXT60 INTERVAL_NEXT90 INTERVAL_NEXT120 "
        "LAST_FISCALWEEK THIS_FISCALWEEK NEXT_FISCALWEEK LAST_FISCALPERIOD THIS_FISCALPERIOD "
        "NEXT_FISCALPERIOD LASTTHIS_FISCALPERIOD THISNEXT_FISCALPERIOD CURRENT_ENTITLEMENT_PERIOD "
        "PREVIOUS_ENTITLEMENT_PERIOD PREVIOUS_TWO_ENTITLEMENT_PERIODS TWO_ENTITLEMENT_PERIODS_AGO "
        "CURRENT_AND_PREVIOUS_ENTITLEMENT_PERIOD CURRENT_AND_PREVIOUS_TWO_ENTITLEMENT_PERIODS"
    ),
    "FeedItemType": (
        "TrackedChange UserStatus TextPost AdvancedTextPost LinkPost ContentPost PollPost RypplePost "
        "ProfileSkillPost DashboardComponentSnapshot ApprovalPost CaseCommentPost ReplyPost "
        "EmailMessageEvent CallLogPost ChangeStatusPost AttachArticleEvent MilestoneEvent ActivityEvent "
        "ChatTranscriptPost CollaborationGroupCreated CollaborationGroupUnarchived SocialPost "
        "QuestionPost FacebookPost BasicTemplateFeedItem CreateRecordEvent CanvasPost AnnouncementPost"
    ),
    "EncryptedFieldMaskType": "all creditCard ssn lastFour sin nino",
    "SortOrder": "Asc Desc",
    "ObjectFilterOperator": "with without",
    "DashboardComponentType": (
        "Bar BarGrouped BarStacked BarStacked100 Column ColumnGrouped ColumnStacked ColumnStacked100 Line "
        "LineGrouped Pie Table Metric Gauge LineCumulative LineGroupedCumulative Scontrol VisualforcePage "
        "Donut Funnel ColumnLine ColumnLineGrouped ColumnLineStacked ColumnLineStacked100 Scatter "
        "ScatterGrouped FlexTable Image RichText PulseMetric"
    ),
    "ActionOverrideType": "Default Standard Scontrol Visualforce Flexipage LightningComponent",
    "ReportFormat": "MultiBlock Matrix Summary Tabular",
    "FilterScope": (
        "Everything Mine Queue Delegated MyTerritory MyTeamTerritory Team SalesTeam AssignedToMe "
        "MineAndMyGroups ScopingRule"
    ),
    "PlatformActionListContext": (
        "ListView RelatedList ListViewRecord RelatedListRecord Record FeedElement Chatter Global "
        "Flexipage MruList MruRow RecordEdit Photo BannerPhoto ObjectHomeChart ListViewDefinition "
        "Dockable Lookup Assistant"
    ),
    "ChartLegendPosition": "Right Bottom OnChart",
    "DupeActionType": "Allow Block",
    "PermissionSetTabVisibility": "None Available Visible",
    "DupeSecurityOptionType": "EnforceSharingRules BypassSharingRules",
    "TreatBlanksAs": "BlankAsBlank BlankAsZero",
    "ChartRangeType": "Auto Manual",
    "UiBehavior": "Edit Required Readonly",
    "EncryptionScheme": (
        "None ProbabilisticEncryption CaseSensitiveDeterministicEncryption CaseInsensitiveDeterministicEncryption"
    ),
    "DataCategoryFilterOperation": "above below at aboveOrBelow",
    "ChartColorPalettes": (
        "Default gray colorSafe unity justice nightfall sunrise bluegrass tropic heat dusk pond "
        "watermelon fire water earth accessible"
    ),
    "ChartBackgroundDirection": "TopToBottom LeftToRight Diagonal",
    "ChartTheme": "light dark",
    "ChartAxis": "x y y2 r",
    "DashboardFilterOperation": (
        "equals notEqual lessThan greaterThan lessOrEqual greaterOrEqual contains notContain startsWith "
        "includes excludes between"
    ),
    "ReportAggrType": "Sum Average Maximum Minimum Unique RowCount Median Noop",
    "FieldManageability": "DeveloperControlled SubscriberControlled Locked",
    "FilterOperation": (
        "equals notEqual lessThan greaterThan lessOrEqual greaterOrEqual contains notContain startsWith "
        "includes excludes within"
    ),
    "LayoutHeader": "PersonalTagging PublicTagging",
    "PlatformEventPublishBehavior": "PublishAfterCommit PublishImmediately",
    "ElementType": "Float",
    "FolderShareAccessLevel": "View EditAllContents Manage",
    "ForecastCategories": "Omitted Pipeline BestCase MostLikely Forecast Closed",
    "DashboardType": "SpecifiedUser LoggedInUser MyTeamUser",
    "ReportSortType": "Column Aggregate CustomSummaryFormula",
    "FeedLayoutFilterType": "AllUpdates FeedItemType Custom",
    "FormFactor": "Small Medium Large",
    "UserDateGranularity": (
        "None Day Week Month Quarter Year FiscalQuarter FiscalYear MonthInYear DayInMonth FiscalPeriod FiscalWeek"
    ),
    "SummaryLayoutStyle": (
        "Default QuoteTemplate DefaultQuoteTemplate ServiceReportTemplate ChildServiceReportTemplateStyle "
        "DefaultServiceReportTemplate CaseInteraction QuickActionLayoutLeftRight QuickActionLayoutTopDown "
        "PathAssistant"
    ),
    "ReportFormulaNullTreatment": "n z",
    "FieldType": (
        "AutoNumber Lookup MasterDetail Checkbox Currency Date DateTime Email Number Percent Phone "
        "Picklist MultiselectPicklist Text TextArea LongTextArea Html Url EncryptedText Summary Hierarchy "
        "File MetadataRelationship Location ExternalLookup IndirectLookup CustomDataType Time Address "
        "Array"
    ),
}
