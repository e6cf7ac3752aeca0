"""Which elements each metadata type has: names as the vendor's files spell them.

Not the checking of a file against this (`shapes.py`), not enumerations (`enums.py`). One text per type: `name:type`
with `!` for what must be there and `*` for what may repeat; without a type it is text. `Any` is not looked into.
"""

from __future__ import annotations

ELEMENTS: dict[str, str] = {
    "CustomField": (
        "fullName businessOwnerGroup businessOwnerUser businessStatus caseSensitive:boolean "
        "complianceGroup customDataType defaultValue deleteConstraint:DeleteConstraint deprecated:boolean "
        "description displayFormat elementType:ElementType encryptionScheme:EncryptionScheme "
        "escapeMarkup:boolean externalDeveloperName externalId:boolean "
        "fieldManageability:FieldManageability formula formulaTreatBlanksAs:TreatBlanksAs inlineHelpText "
        "isAIPredictionField:boolean isConvertLeadDisabled:boolean isFilteringDisabled:boolean "
        "isNameField:boolean isSortingDisabled:boolean label length:int lookupFilter:LookupFilter "
        "maskChar:EncryptedFieldMaskChar maskType:EncryptedFieldMaskType "
        "metadataRelationshipControllingField populateExistingRows:boolean precision:int "
        "referenceTargetField referenceTo relationshipLabel relationshipName relationshipOrder:int "
        "reparentableMasterDetail:boolean required:boolean restrictedAdminField:boolean scale:int "
        "securityClassification startingNumber:int stripMarkup:boolean summarizedField "
        "summaryFilterItems:FilterItem* summaryForeignKey summaryOperation:SummaryOperations "
        "trackFeedHistory:boolean trackHistory:boolean trackTrending:boolean translateData:boolean "
        "type:FieldType unique:boolean valueSet:ValueSet visibleLines:int writeRequiresMasterRead:boolean"
    ),
    "LookupFilter": (
        "active:boolean! booleanFilter description errorMessage filterItems:FilterItem* infoMessage isOptional:boolean!"
    ),
    "FilterItem": "field! operation:FilterOperation! value valueField",
    "ValueSet": (
        "controllingField restricted:boolean valueSetDefinition:ValueSetValuesDefinition valueSetName "
        "valueSettings:ValueSettings*"
    ),
    "ValueSetValuesDefinition": "sorted:boolean! value:CustomValue*",
    "CustomValue": "fullName color default:boolean! description isActive:boolean label",
    "ValueSettings": "controllingFieldValue* valueName!",
    "ValidationRule": "fullName active:boolean! description errorConditionFormula! errorDisplayField errorMessage!",
    "PermissionSet": (
        "fullName applicationVisibilities:PermissionSetApplicationVisibility* "
        "classAccesses:PermissionSetApexClassAccess* "
        "customMetadataTypeAccesses:PermissionSetCustomMetadataTypeAccess* "
        "customPermissions:PermissionSetCustomPermissions* "
        "customSettingAccesses:PermissionSetCustomSettingAccess* description "
        "emailRoutingAddressAccesses:PermissionSetEmailRoutingAddressAccess* "
        "externalCredentialPrincipalAccesses:PermissionSetExternalCredentialPrincipalAccess* "
        "externalDataSourceAccesses:PermissionSetExternalDataSourceAccess* "
        "fieldPermissions:PermissionSetFieldPermissions* flowAccesses:PermissionSetFlowAccess* "
        "hasActivationRequired:boolean label! license objectPermissions:PermissionSetObjectPermissions* "
        "pageAccesses:PermissionSetApexPageAccess* "
        "recordTypeVisibilities:PermissionSetRecordTypeVisibility* tabSettings:PermissionSetTabSetting* "
        "userPermissions:PermissionSetUserPermission*"
    ),
    "PermissionSetApplicationVisibility": "application! visible:boolean!",
    "PermissionSetApexClassAccess": "apexClass! enabled:boolean!",
    "PermissionSetCustomMetadataTypeAccess": "enabled:boolean! name!",
    "PermissionSetCustomPermissions": "enabled:boolean! name!",
    "PermissionSetCustomSettingAccess": "enabled:boolean! name!",
    "PermissionSetEmailRoutingAddressAccess": "enabled:boolean! name!",
    "PermissionSetExternalCredentialPrincipalAccess": "enabled:boolean! externalCredentialPrincipal!",
    "PermissionSetExternalDataSourceAccess": "enabled:boolean! externalDataSource!",
    "PermissionSetFieldPermissions": "editable:boolean! field! readable:boolean",
    "PermissionSetFlowAccess": "enabled:boolean! flow!",
    "PermissionSetObjectPermissions": (
        "allowCreate:boolean! allowDelete:boolean! allowEdit:boolean! allowRead:boolean! "
        "modifyAllRecords:boolean! object! viewAllFields:boolean viewAllRecords:boolean!"
    ),
    "PermissionSetApexPageAccess": "apexPage! enabled:boolean!",
    "PermissionSetRecordTypeVisibility": "recordType! visible:boolean!",
    "PermissionSetTabSetting": "tab! visibility:PermissionSetTabVisibility!",
    "PermissionSetUserPermission": "enabled:boolean! name!",
    "CustomPermission": (
        "fullName connectedApp description externalClientApplication isLicensed:boolean! label! "
        "requiredPermission:CustomPermissionDependencyRequired*"
    ),
    "CustomPermissionDependencyRequired": "customPermission! dependency:boolean!",
    "Layout": (
        "fullName customButtons* emailDefault:boolean excludeButtons* feedLayout:Any "
        "headers:LayoutHeader* layoutSections:LayoutSection* miniLayout:MiniLayout multilineLayoutFields* "
        "platformActionList:PlatformActionList quickActionList:QuickActionList "
        "relatedContent:RelatedContent relatedLists:RelatedListItem* relatedObjects* "
        "runAssignmentRulesDefault:boolean showEmailCheckbox:boolean showHighlightsPanel:boolean "
        "showInteractionLogPanel:boolean showKnowledgeComponent:boolean "
        "showRunAssignmentRulesCheckbox:boolean showSolutionSection:boolean "
        "showSubmitAndAttachButton:boolean summaryLayout:SummaryLayout"
    ),
    "LayoutSection": (
        "customLabel:boolean detailHeading:boolean editHeading:boolean label layoutColumns:LayoutColumn* "
        "style:LayoutSectionStyle!"
    ),
    "LayoutColumn": "layoutItems:LayoutItem* reserved",
    "LayoutItem": (
        "analyticsCloudComponent:AnalyticsCloudComponentLayoutItem behavior:UiBehavior canvas component "
        "customLink emptySpace:boolean field height:int page "
        "reportChartComponent:ReportChartComponentLayoutItem scontrol showLabel:boolean "
        "showScrollbars:boolean width"
    ),
    "AnalyticsCloudComponentLayoutItem": (
        "assetType! devName! error filter height:int hideOnError:boolean showHeader:boolean "
        "showSharing:boolean showTitle:boolean width"
    ),
    "ReportChartComponentLayoutItem": (
        "cacheData:boolean contextFilterableField error hideOnError:boolean includeContext:boolean "
        "reportName! showTitle:boolean size:ReportChartComponentSize"
    ),
    "MiniLayout": "fields* relatedLists:RelatedListItem*",
    "RelatedListItem": (
        "customButtons* excludeButtons* fields* quickActions* relatedList! sortField sortOrder:SortOrder"
    ),
    "PlatformActionList": (
        "actionListContext:PlatformActionListContext! platformActionListItems:PlatformActionListItem* "
        "relatedSourceEntity"
    ),
    "PlatformActionListItem": "actionName! actionType:PlatformActionType! sortOrder:int! subtype",
    "QuickActionList": "quickActionListItems:QuickActionListItem*",
    "QuickActionListItem": "quickActionName!",
    "RelatedContent": "relatedContentItems:RelatedContentItem*",
    "RelatedContentItem": "layoutItem:LayoutItem!",
    "SummaryLayout": (
        "masterLabel! sizeX:int! sizeY:int sizeZ:int summaryLayoutItems:SummaryLayoutItem* "
        "summaryLayoutStyle:SummaryLayoutStyle!"
    ),
    "SummaryLayoutItem": "customLink field posX:int! posY:int posZ:int",
    "Report": (
        "fullName aggregateFilters:ReportAggregateFilter* aggregates:ReportAggregate* block:Report* "
        "blockInfo:ReportBlockInfo buckets:ReportBucketField* chart:ReportChart "
        "colorRanges:ReportColorRange* columns:ReportColumn* crossFilters:ReportCrossFilter* currency "
        "customDetailFormulas:ReportCustomDetailFormula* dataCategoryFilters:ReportDataCategoryFilter* "
        "description division filter:ReportFilter folderName format:ReportFormat! "
        "formattingRules:ReportFormattingRule* groupingsAcross:ReportGrouping* "
        "groupingsDown:ReportGrouping* historicalSelector:ReportHistoricalSelector "
        "isSmartTotalDisabled:boolean name! numSubscriptions:int params:ReportParam* reportType! "
        "reportTypeApiName roleHierarchyFilter rowLimit:int scope showCurrentDate:boolean "
        "showDetails:boolean showGrandTotal:boolean showSubTotals:boolean sortColumn sortOrder:SortOrder "
        "territoryHierarchyFilter timeFrameFilter:ReportTimeFrameFilter userFilter"
    ),
    "ReportAggregateFilter": "aggregate! operator! value!",
    "ReportAggregate": (
        "acrossGroupingContext calculatedFormula! datatype:ReportAggregateDatatype! description "
        "developerName! downGroupingContext isActive:boolean! isCrossBlock:boolean masterLabel! "
        "reportType scale:int"
    ),
    "ReportBlockInfo": "aggregateReferences:ReportAggregateReference* blockId! joinTable!",
    "ReportAggregateReference": "aggregate!",
    "ReportBucketField": (
        "bucketType:ReportBucketFieldType! developerName! masterLabel! "
        "nullTreatment:ReportFormulaNullTreatment otherBucketLabel sourceColumnName! useOther:boolean "
        "values:ReportBucketFieldValue*"
    ),
    "ReportBucketFieldValue": "sourceValues:ReportBucketFieldSourceValue* value!",
    "ReportBucketFieldSourceValue": "from sourceValue to",
    "ReportChart": (
        "backgroundColor1 backgroundColor2 backgroundFadeDir:ChartBackgroundDirection "
        "chartSummaries:ChartSummary* chartType:ChartType! enableHoverLabels:boolean expandOthers:boolean "
        "groupingColumn legendPosition:ChartLegendPosition location:ChartPosition secondaryGroupingColumn "
        "showAxisLabels:boolean showPercentage:boolean showTotal:boolean showValues:boolean "
        "size:ReportChartSize summaryAxisManualRangeEnd:double summaryAxisManualRangeStart:double "
        "summaryAxisRange:ChartRangeType textColor textSize:int title titleColor titleSize:int"
    ),
    "ChartSummary": "aggregate:ReportSummaryType axisBinding:ChartAxis column!",
    "ReportColorRange": (
        "aggregate:ReportSummaryType columnName! highBreakpoint:double highColor! lowBreakpoint:double "
        "lowColor! midColor!"
    ),
    "ReportColumn": "aggregateTypes:ReportSummaryType* field! reverseColors:boolean showChanges:boolean",
    "ReportCrossFilter": (
        "criteriaItems:ReportFilterItem* operation:ObjectFilterOperator! primaryTableColumn! "
        "relatedTable! relatedTableJoinColumn!"
    ),
    "ReportFilterItem": "column! columnToColumn:boolean isUnlocked:boolean operator:FilterOperation! snapshot value",
    "ReportCustomDetailFormula": "calculatedFormula! dataType! description developerName! label! scale:int!",
    "ReportDataCategoryFilter": "dataCategory! dataCategoryGroup! operator:DataCategoryFilterOperation!",
    "ReportFilter": "booleanFilter criteriaItems:ReportFilterItem* language",
    "ReportFormattingRule": "aggregate:ReportSummaryType columnName! values:ReportFormattingRuleValue*",
    "ReportFormattingRuleValue": "backgroundColor rangeUpperBound:double",
    "ReportGrouping": (
        "aggregateType:ReportAggrType dateGranularity:UserDateGranularity field! sortByName "
        "sortOrder:SortOrder! sortType:ReportSortType"
    ),
    "ReportHistoricalSelector": "snapshot*",
    "ReportParam": "name! value!",
    "ReportTimeFrameFilter": "dateColumn! endDate:date interval:UserDateInterval! startDate:date",
    "Dashboard": (
        "fullName backgroundEndColor! backgroundFadeDirection:ChartBackgroundDirection! "
        "backgroundStartColor! chartTheme:ChartTheme colorPalette:ChartColorPalettes "
        "dashboardChartTheme:ChartTheme dashboardColorPalette:ChartColorPalettes "
        "dashboardFilters:DashboardFilter* dashboardGridLayout:DashboardGridLayout "
        "dashboardResultRefreshedDate dashboardResultRunningUser dashboardType:DashboardType description "
        "folderName isGridLayout:boolean leftSection:DashboardComponentSection "
        "middleSection:DashboardComponentSection numSubscriptions:int owner "
        "rightSection:DashboardComponentSection runningUser textColor! title! titleColor! titleSize:int!"
    ),
    "DashboardFilter": "dashboardFilterOptions:DashboardFilterOption* name!",
    "DashboardFilterOption": "operator:DashboardFilterOperation! values*",
    "DashboardGridLayout": "dashboardGridComponents:DashboardGridComponent* numberOfColumns:int! rowHeight:int!",
    "DashboardGridComponent": (
        "colSpan:int! columnIndex:int! dashboardComponent:DashboardComponent! rowIndex:int! rowSpan:int!"
    ),
    "DashboardComponent": (
        "autoselectColumnsFromReport:boolean chartAxisRange:ChartRangeType chartAxisRangeMax:double "
        "chartAxisRangeMin:double chartSummary:ChartSummary* componentChartTheme:ChartTheme "
        "componentType:DashboardComponentType! dashboardComponentContents:DashboardComponentContent* "
        "dashboardDynamicValues:DashboardDynamicValue* dashboardFilterColumns:DashboardFilterColumn* "
        "dashboardTableColumn:DashboardTableColumn* decimalPrecision:int displayUnits:ChartUnits "
        "drillDownUrl drillEnabled:boolean drillToDetailEnabled:boolean enableHover:boolean "
        "expandOthers:boolean flexComponentProperties:DashboardFlexTableComponentProperties footer "
        "gaugeMax:double gaugeMin:double groupingColumn* "
        "groupingSortProperties:DashboardComponentGroupingSortProperties header "
        "indicatorBreakpoint1:double indicatorBreakpoint2:double indicatorHighColor indicatorLowColor "
        "indicatorMiddleColor legendPosition:ChartLegendPosition maxValuesDisplayed:int metricLabel page "
        "pageHeightInPixels:int report scontrol scontrolHeightInPixels:int showPercentage:boolean "
        "showPicturesOnCharts:boolean showPicturesOnTables:boolean showRange:boolean showTotal:boolean "
        "showValues:boolean sortBy:DashboardComponentFilter sortLegendValues:boolean title "
        "useReportChart:boolean"
    ),
    "DashboardComponentContent": (
        "additionalInfo altText fileName fit horizontalAlignment richTextContent tooltip verticalAlignment"
    ),
    "DashboardDynamicValue": "additionalInfo fieldName! isDynamicUser:boolean",
    "DashboardFilterColumn": "column!",
    "DashboardTableColumn": (
        "aggregateType:ReportSummaryType calculatePercent:boolean column! decimalPlaces:int "
        "showSubTotal:boolean showTotal:boolean sortBy:DashboardComponentFilter"
    ),
    "DashboardFlexTableComponentProperties": (
        "decimalPrecision:int flexTableColumn:DashboardComponentColumn* "
        "flexTableSortInfo:DashboardComponentSortInfo hideChatterPhotos:boolean"
    ),
    "DashboardComponentColumn": (
        "breakPoint1:double breakPoint2:double breakPointOrder:int highRangeColor:int lowRangeColor:int "
        "midRangeColor:int reportColumn! showSubTotal:boolean showTotal:boolean type!"
    ),
    "DashboardComponentSortInfo": "sortColumn sortOrder",
    "DashboardComponentGroupingSortProperties": "groupingSorts:DashboardComponentGroupingSort*",
    "DashboardComponentGroupingSort": "groupingLevel! inheritedReportGroupingSort sortColumn sortOrder",
    "DashboardComponentSection": "columnSize:DashboardComponentSize! components:DashboardComponent*",
    "PlatformEventChannelMember": (
        "fullName enrichedFields:EnrichedField* eventChannel! filterExpression selectedEntity!"
    ),
    "EnrichedField": "name!",
    "PlatformEventChannel": (
        "fullName channelType:PlatformEventChannelType! eventType:PlatformEventChannelEventType label!"
    ),
    "CustomNotificationType": (
        "fullName customNotifTypeName! description desktop:boolean! masterLabel! mobile:boolean! slack:boolean"
    ),
    "DuplicateRule": (
        "fullName actionOnInsert:DupeActionType! actionOnUpdate:DupeActionType! alertText! description! "
        "duplicateRuleFilter:DuplicateRuleFilter! duplicateRuleMatchRules:DuplicateRuleMatchRule* "
        "isActive:boolean! masterLabel! operationsOnInsert* operationsOnUpdate* "
        "securityOption:DupeSecurityOptionType! sortOrder:int!"
    ),
    "DuplicateRuleFilter": "booleanFilter! duplicateRuleFilterItems:DuplicateRuleFilterItem*",
    "DuplicateRuleFilterItem": "field! operation:FilterOperation! value valueField sortOrder:int! table!",
    "DuplicateRuleMatchRule": "matchRuleSObjectType! matchingRule! objectMapping:ObjectMapping!",
    "ObjectMapping": "inputObject! mappingFields:ObjectMappingField* outputObject!",
    "ObjectMappingField": "inputField! outputField!",
    "ReportFolder": (
        "fullName accessType:FolderAccessTypes folderShares:FolderShare* name! "
        "publicFolderAccess:PublicFolderAccess sharedTo:Any"
    ),
    "FolderShare": "accessLevel:FolderShareAccessLevel! sharedTo! sharedToType:FolderSharedToType!",
    "DashboardFolder": (
        "fullName accessType:FolderAccessTypes folderShares:FolderShare* name! "
        "publicFolderAccess:PublicFolderAccess sharedTo:Any"
    ),
    "CustomObject": (
        "fullName actionOverrides:ActionOverride* allowInChatterGroups:boolean "
        "businessProcesses:BusinessProcess* compactLayoutAssignment compactLayouts:CompactLayout* "
        "customHelp customHelpPage customSettingsType:CustomSettingsType "
        "deploymentStatus:DeploymentStatus deprecated:boolean description enableActivities:boolean "
        "enableBulkApi:boolean enableDataTranslation:boolean enableDivisions:boolean "
        "enableEnhancedLookup:boolean enableFeeds:boolean enableHistory:boolean enableLicensing:boolean "
        "enablePublishStatusTracking:boolean enableReports:boolean enableSearch:boolean "
        "enableSharing:boolean enableStreamingApi:boolean eventType:PlatformEventType externalDataSource "
        "externalName externalRepository externalSharingModel:SharingModel fieldSets:FieldSet* "
        "fields:CustomField* gender:Gender household:boolean label listViews:ListView* "
        "nameField:CustomField pluralLabel publishBehavior:PlatformEventPublishBehavior "
        "recordTypeTrackFeedHistory:boolean recordTypeTrackHistory:boolean recordTypes:RecordType* "
        "searchLayouts:SearchLayouts sharingModel:SharingModel startsWith:StartsWith "
        "validationRules:ValidationRule* visibility:SetupObjectVisibility"
    ),
    "ActionOverride": (
        "actionName comment content formFactor:FormFactor skipRecordTypeSelect:boolean type:ActionOverrideType"
    ),
    "BusinessProcess": "fullName description isActive:boolean values:PicklistValue*",
    "PicklistValue": (
        "fullName color default:boolean! description isActive:boolean allowEmail:boolean closed:boolean "
        "controllingFieldValues* converted:boolean cssExposed:boolean forecastCategory:ForecastCategories "
        "highPriority:boolean probability:int reverseRole reviewed:boolean won:boolean"
    ),
    "CompactLayout": "fullName fields* label!",
    "FieldSet": "fullName availableFields:FieldSetItem* description! displayedFields:FieldSetItem* label!",
    "FieldSetItem": "alternativeDisplayFormat field isFieldManaged:boolean isRequired:boolean",
    "ListView": (
        "fullName booleanFilter columns* division filterScope:FilterScope! filters:ListViewFilter* label! "
        "language queue sharedTo:Any"
    ),
    "ListViewFilter": "field! operation:FilterOperation! value",
    "RecordType": (
        "fullName active:boolean! businessProcess compactLayoutAssignment description label! "
        "picklistValues:RecordTypePicklistValue*"
    ),
    "RecordTypePicklistValue": "picklist! values:PicklistValue*",
    "SearchLayouts": (
        "customTabListAdditionalFields* excludedStandardButtons* listViewButtons* "
        "lookupDialogsAdditionalFields* lookupFilterFields* lookupPhoneDialogsAdditionalFields* "
        "massQuickActions* searchFilterFields* searchResultsAdditionalFields* searchResultsCustomButtons*"
    ),
    "FlexiPage": "Any",
    "Flow": "Any",
}
