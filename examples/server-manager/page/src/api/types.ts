import type { components } from './schema'

type Schemas = components['schemas']

// The names that the page uses for the documents of ../openapi.yaml.
export type User = Schemas['User']
export type Image = Schemas['Image']
export type ImageStatusData = Schemas['StatusAnswer']['data']
export type Check = Schemas['Check']
export type Layer = Schemas['Layer']
export type AffectedServer = Schemas['AffectedServer']
export type PlannedServer = Schemas['PlannedServer']
export type Plan = Schemas['PlanAnswer']['data']
export type BackupOffer = Schemas['BackupOffer']
export type BackupRequest = Required<Schemas['RecreateRequest']>
export type Warning = Schemas['Warning']
export type Operation = Schemas['Operation']
export type OperationServer = Schemas['OperationServer']
export type OperationError = NonNullable<Schemas['OperationError']>
export type Recovery = Schemas['RecoveryAnswer']['data']
export type Server = Schemas['Server']
export type CreateServer = Schemas['CreateServerRequest']
export type ConfigFile = Schemas['FilesAnswer']['data']['files'][number]
export type Stats = Schemas['Stats']
export type HistoryEntry = Schemas['HistoryAnswer']['data']['entries'][number]
export type HistorySide = Schemas['HistorySide']
export type HistoryKind = Schemas['HistoryKind']
export type HistoryResult = Schemas['HistoryResult']
export type Topic = 'images' | 'servers' | 'history' | 'recovery'

/** An error as the page shows it, of an answer or in a document. */
export interface Trouble {
  code: string
  message: string
  missing?: string[]
  retry_after?: number | null
}
