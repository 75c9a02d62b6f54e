"""Public names of schemas: what generated clients call their types, apart from what the classes are called here."""

import re
from typing import Final

# Only names that the rule of `public_name` would not make, or would make badly.
_CHOSEN: Final = {
    "AcceptedView": "AcceptedMessage",
    "AccountStatus": "ProviderAccountStatus",
    "AccountView": "ProviderAccount",
    "ActedItem": "OperatorActionItem",
    "ActedResult": "OperatorActionOutcome",
    "ActedView": "OperatorActionResult",
    "ActionFilter": "OperatorActionFilter",
    "AddSenderBody": "NewSender",
    "BatchBody": "NewMessageBatch",
    "BatchItem": "BatchResultItem",
    "BatchView": "BatchResult",
    "BreakerState": "SenderHealthState",
    "Button": "TemplateButton",
    "ButtonKind": "TemplateButtonKind",
    "ChangeAccountBody": "ProviderAccountChange",
    "ChangeSenderBody": "SenderChange",
    "ChangeTenantBody": "TenantChange",
    "ChangeSettingsBody": "SettingsChange",
    "ChangeTemplateBody": "TemplateChange",
    "CheckView": "MessageCheck",
    "Components": "TemplateComponents",
    "ConnectAccountBody": "NewProviderAccount",
    "CreateTemplateBody": "NewTemplate",
    "CreateTenantBody": "NewTenant",
    "DiscardBody": "DeadLetterDiscard",
    "Document": "DocumentContent",
    "EventView": "MessageEvent",
    "Header": "TemplateHeader",
    "Finding": "ProviderAccountCheck",
    "HeaderDocument": "TemplateHeaderDocument",
    "HeaderFormat": "TemplateHeaderFormat",
    "HeaderImage": "TemplateHeaderImage",
    "HeaderText": "TemplateHeaderText",
    "HeaderVideo": "TemplateHeaderVideo",
    "Image": "ImageContent",
    "InboundKind": "InboundMessageKind",
    "InboundView": "InboundMessage",
    "InspectionView": "ProviderAccountInspection",
    "IssueAdminKeyBody": "NewAdminKey",
    "IssueKeyBody": "NewKey",
    "LimitsBody": "TenantLimitsChange",
    "NumberView": "ProviderNumber",
    "Oddity": "InboundMessageOddity",
    "OperatorActionBody": "OperatorAction",
    "ParameterFormat": "TemplateParameterFormat",
    "PreferencesView": "Settings",
    "QuotaBody": "QuotaChange",
    "RegisterNumberBody": "NumberRegistration",
    "ReplaceRulesBody": "RoutingRulesChange",
    "RetryBody": "MessageRetry",
    "RevokeAdminKeyBody": "AdminKeyRevocation",
    "RotateAdminKeyBody": "AdminKeyRotation",
    "RuleBody": "NewRoutingRule",
    "RuleView": "RoutingRule",
    "RulesView": "RoutingRules",
    "StatusView": "MessageStatus",
    "SubmissionLimits": "TenantLimits",
    "SubscribeBody": "ProviderAccountSubscription",
    "SubmitBody": "NewMessage",
    "SyncView": "TemplateSync",
    "TemplateMessage": "TemplateContent",
    "Text": "TextContent",
    "Trouble": "SenderTrouble",
    "UnclearBody": "UnclearChoicesChange",
    "UnclearByMode": "TenantUnclearChoices",
    "UnclearByModeBody": "TenantUnclearChoicesChange",
    "VerifyAccountBody": "ProviderAccountCandidate",
    "WhoAmIView": "KeyIdentity",
}
_LIST: Final = re.compile(r"ListView_(\w+)_")


def public_name(class_name: str) -> str:
    """`MessageView` becomes `Message`, `ListView_MessageView_` becomes `MessageList`."""
    if (listed := _LIST.fullmatch(class_name)) is not None:
        return f"{public_name(listed[1])}List"
    return _CHOSEN.get(class_name) or class_name.removesuffix("View").removesuffix("Body")
