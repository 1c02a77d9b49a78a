internal import CPgQuery

/// CREATE.
extension StatementReader {
    /// CREATE, of every kind, and GRANT and COMMENT.
    mutating func decideDefinition(_ node: TreeNode) -> Bool {
        switch node.tag {
        case T_CreateStmt:
            let create = node.node(CreateStmt.self).pointee
            name("CREATE TABLE")
            noteCondition(create.if_not_exists)
            add(.create, TreeName.object(.table, create.relation))
            worklist.add(create.tableElts)
            worklist.add(create.constraints)
            worklist.add(create.partspec)
            worklist.add(create.partbound)
        case T_CreateForeignTableStmt:
            let create = node.node(CreateForeignTableStmt.self).pointee
            name("CREATE FOREIGN TABLE")
            noteCondition(create.base.if_not_exists)
            add(.foreignServer, ObjectName(.server, name: TreeName.text(create.servername)))
            add(.create, TreeName.object(.foreignTable, create.base.relation))
            worklist.add(create.base.tableElts)
        case T_CreateTableAsStmt:
            let create = node.node(CreateTableAsStmt.self).pointee
            let isView = create.objtype == OBJECT_MATVIEW
            name(isView ? "CREATE MATERIALIZED VIEW" : "CREATE TABLE AS")
            noteCondition(create.if_not_exists)
            add(.create, TreeName.object(isView ? .materializedView : .table, create.into?.pointee.rel))
            worklist.add(create.query)
        case T_ViewStmt:
            let view = node.node(ViewStmt.self).pointee
            name("CREATE VIEW")
            add(.create, TreeName.object(.view, view.view))
            worklist.add(view.query)
        case T_IndexStmt:
            let index = node.node(IndexStmt.self).pointee
            name("CREATE INDEX")
            noteCondition(index.if_not_exists)
            if index.concurrent { draft.mustRunAlone = true }
            var object = TreeName.object(.index, index.relation)
            object.part = index.idxname.map { Swift.String(cString: $0) }
            add(.create, object)
            worklist.add(index.indexParams)
            worklist.add(index.whereClause)
        case T_CreateSchemaStmt:
            let schema = node.node(CreateSchemaStmt.self).pointee
            name("CREATE SCHEMA")
            noteCondition(schema.if_not_exists)
            let owner = TreeName.role(schema.authrole).name
            add(.create, ObjectName(.schema, name: schema.schemaname.map { Swift.String(cString: $0) } ?? owner))
            worklist.add(schema.schemaElts)
        case T_RuleStmt:
            let rule = node.node(RuleStmt.self).pointee
            name("CREATE RULE")
            var object = TreeName.object(.rule, rule.relation)
            object.part = TreeName.text(rule.rulename)
            add(.create, object)
            if rule.event == CMD_SELECT {
                // Up to PostgreSQL 15 an empty table with such a rule becomes a view (DefineQueryRewrite,
                // rewriteDefine.c).
                add(.dropTable, TreeName.object(.table, rule.relation))
                draft.remarks.append("a rule ON SELECT turns a table into a view")
            }
            worklist.add(rule.whereClause)
            worklist.add(rule.actions)
        case T_CreateFunctionStmt: decideRoutine(node.node(CreateFunctionStmt.self))
        case T_CreateTrigStmt:
            let trigger = node.node(CreateTrigStmt.self).pointee
            name("CREATE TRIGGER")
            var object = TreeName.object(.trigger, trigger.relation)
            object.part = TreeName.text(trigger.trigname)
            add(.create, object)
            worklist.add(trigger.whenClause)
            noteNamedFunction(trigger.funcname)
        case T_CreatePolicyStmt:
            let policy = node.node(CreatePolicyStmt.self).pointee
            name("CREATE POLICY")
            var object = TreeName.object(.policy, policy.table)
            object.part = TreeName.text(policy.policy_name)
            add(.create, object)
            worklist.add(policy.qual)
            worklist.add(policy.with_check)
        case T_CreateSeqStmt:
            name("CREATE SEQUENCE")
            noteCondition(node.node(CreateSeqStmt.self).pointee.if_not_exists)
            add(.create, TreeName.object(.sequence, node.node(CreateSeqStmt.self).pointee.sequence))
        case T_CreateDomainStmt:
            name("CREATE DOMAIN")
            add(.create, TreeName.object(.domain, list: node.node(CreateDomainStmt.self).pointee.domainname))
            worklist.add(node.node(CreateDomainStmt.self).pointee.constraints)
        case T_CreateExtensionStmt: decideExtension(node.node(CreateExtensionStmt.self))
        case T_CreateSubscriptionStmt:
            name("CREATE SUBSCRIPTION")
            let subscription = node.node(CreateSubscriptionStmt.self).pointee
            add(
                .subscription, ObjectName(.subscription, name: TreeName.text(subscription.subname)),
                in: ConnectionText.place(in: TreeName.text(subscription.conninfo)))
        case T_CreateFdwStmt:
            name("CREATE FOREIGN DATA WRAPPER")
            let wrapper = node.node(CreateFdwStmt.self).pointee.fdwname
            add(.foreignServer, ObjectName(.foreignDataWrapper, name: TreeName.text(wrapper)))
        case T_CreateForeignServerStmt:
            name("CREATE SERVER")
            let server = node.node(CreateForeignServerStmt.self).pointee
            noteCondition(server.if_not_exists)
            add(
                .foreignServer, ObjectName(.server, name: TreeName.text(server.servername)),
                in: ConnectionText.place(
                    inOptions: server.options, ofWrapper: TreeName.text(server.fdwname), isWhole: true))
        case T_CreateUserMappingStmt:
            name("CREATE USER MAPPING")
            let mapping = node.node(CreateUserMappingStmt.self).pointee
            add(.foreignServer, ObjectName(.userMapping, name: TreeName.text(mapping.servername)))
        case T_ImportForeignSchemaStmt:
            name("IMPORT FOREIGN SCHEMA")
            let schema = node.node(ImportForeignSchemaStmt.self).pointee
            add(.foreignServer, ObjectName(.server, name: TreeName.text(schema.server_name)))
        case T_CreatePLangStmt:
            name("CREATE LANGUAGE")
            let language = node.node(CreatePLangStmt.self).pointee.plname
            add(.untrustedLanguage, ObjectName(.language, name: TreeName.text(language)))
        default:
            guard let (command, object) = Self.plainDefinition(node) else { return false }
            name(command)
            if node.tag == T_CreatedbStmt || node.tag == T_CreateTableSpaceStmt { draft.mustRunAlone = true }
            add(.create, object)
            noteNamedFunctions(in: node)
        }
        return true
    }

    /// An operator, aggregate, cast or event trigger over a dangerous function calls it without naming it again.
    mutating func noteNamedFunctions(in node: TreeNode) {
        switch node.tag {
        case T_DefineStmt:
            for option in TreeList(node.node(DefineStmt.self).pointee.definition) where option.tag == T_DefElem {
                guard let value = option.node(DefElem.self).pointee.arg else { continue }
                switch TreeNode(value).tag {
                case T_TypeName: noteNamedFunction(TreeNode(value).node(TypeName.self).pointee.names)
                case T_List: noteNamedFunction(UnsafeMutablePointer(mutating: TreeNode(value).node(List.self)))
                default: break
                }
            }
        case T_CreateCastStmt: noteNamedFunction(node.node(CreateCastStmt.self).pointee.func?.pointee.objname)
        case T_CreateEventTrigStmt: noteNamedFunction(node.node(CreateEventTrigStmt.self).pointee.funcname)
        default: break
        }
    }

    mutating func noteNamedFunction(_ names: UnsafeMutablePointer<List>?) {
        guard let bytes = cpg_string(TreeList(names).last) else { return }
        noteUnknownName(Swift.String(cString: bytes))
        if functions.noticesNames { mention(.function, list: names) }
        guard let known = functions.function(named: CStringBytes(bytes)), known.schema == nil else { return }
        let function = TreeName.object(.function, list: names)
        switch known.runs {
        case .text(let unknown): if let unknown { add(unknown, function) }
        case .nothing: if let statementClass = known.statementClass { add(statementClass, function) }
        case .setting: break
        }
    }

    /// The kinds of CREATE that have nothing in them but a name.
    static func plainDefinition(_ node: TreeNode) -> (command: Swift.String, object: ObjectName)? {
        switch node.tag {
        case T_CreatedbStmt:
            let database = node.node(CreatedbStmt.self).pointee.dbname
            return ("CREATE DATABASE", ObjectName(.database, name: TreeName.text(database)))
        case T_CreateRoleStmt:
            return ("CREATE ROLE", ObjectName(.role, name: TreeName.text(node.node(CreateRoleStmt.self).pointee.role)))
        case T_CreateTableSpaceStmt:
            let space = node.node(CreateTableSpaceStmt.self).pointee.tablespacename
            return ("CREATE TABLESPACE", ObjectName(.tablespace, name: TreeName.text(space)))
        case T_CompositeTypeStmt:
            return ("CREATE TYPE", TreeName.object(.type, node.node(CompositeTypeStmt.self).pointee.typevar))
        case T_CreateEnumStmt:
            return ("CREATE TYPE", TreeName.object(.type, list: node.node(CreateEnumStmt.self).pointee.typeName))
        case T_CreateRangeStmt:
            return ("CREATE TYPE", TreeName.object(.type, list: node.node(CreateRangeStmt.self).pointee.typeName))
        case T_DefineStmt:
            let define = node.node(DefineStmt.self).pointee
            let kind = ObjectKind(define.kind)
            return ("CREATE " + kind.commandWord, TreeName.object(kind, list: define.defnames))
        case T_CreateEventTrigStmt:
            let trigger = node.node(CreateEventTrigStmt.self).pointee.trigname
            return ("CREATE EVENT TRIGGER", ObjectName(.eventTrigger, name: TreeName.text(trigger)))
        case T_CreatePublicationStmt:
            let publication = node.node(CreatePublicationStmt.self).pointee.pubname
            return ("CREATE PUBLICATION", ObjectName(.publication, name: TreeName.text(publication)))
        case T_CreateStatsStmt:
            return (
                "CREATE STATISTICS",
                TreeName.object(.statistics, list: node.node(CreateStatsStmt.self).pointee.defnames)
            )
        case T_CreateAmStmt:
            let method = node.node(CreateAmStmt.self).pointee.amname
            return ("CREATE ACCESS METHOD", ObjectName(.accessMethod, name: TreeName.text(method)))
        case T_CreateCastStmt:
            let source = node.node(CreateCastStmt.self).pointee.sourcetype
            return ("CREATE CAST", TreeName.object(.cast, list: source?.pointee.names))
        case T_CreateConversionStmt:
            let name = node.node(CreateConversionStmt.self).pointee.conversion_name
            return ("CREATE CONVERSION", TreeName.object(.conversion, list: name))
        case T_CreateTransformStmt:
            let type = node.node(CreateTransformStmt.self).pointee.type_name
            return ("CREATE TRANSFORM", TreeName.object(.transform, list: type?.pointee.names))
        case T_CreateOpClassStmt:
            let name = node.node(CreateOpClassStmt.self).pointee.opclassname
            return ("CREATE OPERATOR CLASS", TreeName.object(.operatorClass, list: name))
        case T_CreateOpFamilyStmt:
            let name = node.node(CreateOpFamilyStmt.self).pointee.opfamilyname
            return ("CREATE OPERATOR FAMILY", TreeName.object(.operatorFamily, list: name))
        default: return nil
        }
    }

    // MARK: - Routines

    mutating func decideDo(_ statement: UnsafePointer<DoStmt>) {
        name("DO")
        add(.doBlock)
        var language = "plpgsql"
        var body: TreeNode?
        for option in TreeList(statement.pointee.args) {
            let element = option.node(DefElem.self).pointee
            switch TreeName.text(element.defname) {
            case "language": language = TreeName.text(of: element.arg.map { TreeNode($0) }) ?? language
            case "as": body = element.arg.map { TreeNode($0) }
            default: break
            }
        }
        // COMMIT, plpy.commit(), or a procedure that does it. EXECUTE takes no COMMIT (exec_stmt_dynexecute, pl_exec.c).
        let text = FoldedScanner(Array((TreeName.text(of: body) ?? "").utf8))
        draft.mayCommit = text.contains("commit") || text.contains("call")
        noteBody(language: language, body: body, place: "in a DO body")
    }

    mutating func decideRoutine(_ create: UnsafePointer<CreateFunctionStmt>) {
        let kind: ObjectKind = create.pointee.is_procedure ? .procedure : .function
        name(create.pointee.is_procedure ? "CREATE PROCEDURE" : "CREATE FUNCTION")
        let object = TreeName.object(kind, list: create.pointee.funcname)
        add(.create, object)
        worklist.add(create.pointee.parameters)
        var language = "sql"
        var body: TreeNode?
        for option in TreeList(create.pointee.options) {
            let element = option.node(DefElem.self).pointee
            switch TreeName.text(element.defname) {
            case "language": language = TreeName.text(of: element.arg.map { TreeNode($0) }) ?? language
            case "as": body = element.arg.map { TreeNode($0) }
            default: break
            }
        }
        if let tree = create.pointee.sql_body {
            worklist.add(tree)
            return
        }
        let parameters = TreeList(create.pointee.parameters).filter { $0.tag == T_FunctionParameter }
            .map { TreeName.text($0.node(FunctionParameter.self).pointee.name) }
        noteBody(
            language: language, body: body, parameters: parameters,
            place: "in the body of \(kind.rawValue) \(object.qualifiedName)")
    }

    mutating func noteBody(
        language: Swift.String, body: TreeNode?, parameters: [Swift.String] = [], place: Swift.String
    ) {
        let name = ObjectName(.language, name: language)
        noteUnknownName(language)
        switch RoutineLanguage(name: language) {
        case .untrusted: add(.untrustedLanguage, name)
        case .unreadable: add(.opaque, name)
        case .sql: noteText(body, .sql, parameters, place)
        case .plpgsql: noteText(body, .plpgsql, parameters, place)
        }
    }

    mutating func noteText(
        _ body: TreeNode?, _ language: InnerText.Language, _ parameters: [Swift.String], _ place: Swift.String
    ) {
        // CREATE FUNCTION … AS has a list of one string (two for a C library).
        var text = body
        if let list = body, list.tag == T_List {
            text = TreeList(UnsafeMutablePointer(mutating: list.node(List.self))).first
        }
        guard let bytes = cpg_string(text) else { return add(.opaque) }
        innerTexts.append(
            InnerText(language: language, text: Array(CStringBytes(bytes)), parameters: parameters, place: place))
    }
}
