{ of(app, i):: '%s-%d' % [app, i] }
